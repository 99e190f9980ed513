#include "flowrelay/app/config_check.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "config_reader.hpp"
#include "descriptors.hpp"
#include "destination_files.hpp"
#include "flowrelay/app/connect_settings.hpp"
#include "setup.hpp"

namespace flowrelay::app {

namespace {

// nginx's client_max_body_size.
constexpr std::uint64_t common_body_limit = 1ULL << 20;

// Bytes that token, uuid and their member names can add to an event.
constexpr std::uint64_t max_growth = 4096;

/// Returns whether this process can read the token of a source. Only the service has its
/// credentials and environment variables.
bool is_visible(const SourceConfig& source) {
    if (!source.flow_token_file.empty()) return true;
    const char* name = source.flow_token_credential.empty() ? source.flow_token_env.c_str()
                                                            : "CREDENTIALS_DIRECTORY";
    return std::getenv(name) != nullptr;
}

/// Checks the directories of the sockets. systemd creates those below /run when it starts the
/// service.
void look_for_directories(const Config& config, const std::string& path, ConfigFindings& findings) {
    const std::pair<std::string_view, const std::string&> sockets[] = {
        {"ingest.socket", config.ingest.socket}, {"control.socket", config.control.socket}};
    for (const auto& [key, socket] : sockets) {
        const std::string directory = socket.substr(0, std::max<std::size_t>(socket.rfind('/'), 1));
        struct stat info{};
        if (::stat(directory.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
        if (directory == "/run/flowrelay") continue;
        if (directory.starts_with("/run/")) {
            findings.warnings.push_back(
                fmt::format("{}: key `{}`: there is no directory {}; systemd "
                            "makes it if it is a RuntimeDirectory of the "
                            "service",
                            path, key, directory));
            continue;
        }
        findings.problems.push_back(
            {path, 0, 0, fmt::format("key `{}`: there is no directory {}", key, directory)});
    }
}

/// Uses the limit of the service, not that of this process.
void count_descriptors(const Config& config, const std::string& path, ConfigFindings& findings) {
    const DescriptorNeeds needs = descriptors_needed(config);
    if (needs.total() <= unit_descriptors) return;
    findings.warnings.push_back(fmt::format(
        "{}: this needs up to {} file descriptors ({} for connections of producers, {} for the "
        "spool, {} for the rest), and the units of flowrelayd allow {}: set LimitNOFILE={} "
        "(systemctl edit flowrelayd), or lower ingest.max_connections",
        path, needs.total(), needs.producers, needs.files, needs.others, unit_descriptors,
        needs.total()));
}

}  // namespace

ConfigFindings check_config(const std::string& path) {
    ConfigFindings findings;
    try {
        Config config = load_config(path);
        findings.sources = config.sources.size();
        std::erase_if(config.sources, [&](const SourceConfig& source) {
            if (is_visible(source)) return false;
            findings.not_checked.push_back(fmt::format(
                "{}: the token of source `{}` is given to the service alone and was not checked",
                path, source.name));
            return true;
        });
        if (needs_missing_credentials(config.destination)) {
            findings.not_checked.push_back(
                fmt::format("{}: the credentials of the destination are given to the service alone "
                            "and were not checked",
                            path));
            DestinationConfig& destination = config.destination;
            destination.client_certificate_credential.clear();
            destination.client_key_credential.clear();
            destination.proxy_credential.clear();
        }
        look_for_directories(config, path, findings);
        count_descriptors(config, path, findings);
        read_surroundings(config);
        const std::string exposed = warn_of_exposed_key(config.destination);
        if (config.ingest.max_event_size > common_body_limit - max_growth) {
            findings.warnings.push_back(fmt::format(
                "{}: ingest.max_event_size is {}: with token and uuid such an event is longer than "
                "the "
                "1MiB that nginx takes in a body unless told otherwise (client_max_body_size); the "
                "413 would make it a dead letter",
                path, format_size(config.ingest.max_event_size)));
        }
        if (!exposed.empty()) findings.warnings.push_back(fmt::format("{}: {}", path, exposed));
        const std::string secret = warn_of_client_secret(config.connect);
        if (!secret.empty()) findings.warnings.push_back(fmt::format("{}: {}", path, secret));
    } catch (const ConfigError& error) {
        findings.problems.insert(findings.problems.end(), error.problems().begin(),
                                 error.problems().end());
    }
    return findings;
}

}  // namespace flowrelay::app
