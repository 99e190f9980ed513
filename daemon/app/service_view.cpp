#include "flowrelay/app/service_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <utility>

namespace flowrelay::app {

namespace {

using Paths = std::vector<std::string>;

/// Splits a property into words. Removes "-" in front ("if it exists") and everything after a colon
/// (the destination of a bind mount, the link to a StateDirectory).
Paths words(std::string_view value) {
    Paths found;
    std::istringstream in{std::string(value)};
    for (std::string word; in >> word;) {
        word.erase(0, word.find_first_not_of("-+"));
        found.push_back(std::move(word));
    }
    return found;
}

/// Returns the destinations of bind mounts: SOURCE, SOURCE:DESTINATION.
Paths destinations(std::string_view value) {
    Paths found = words(value);
    for (auto& entry : found) {
        const std::size_t colon = entry.find(':');
        if (colon == entry.npos) continue;
        const std::size_t end = entry.find(':', colon + 1);
        entry = entry.substr(colon + 1, end == entry.npos ? end : end - colon - 1);
    }
    return found;
}

void append(Paths& out, std::string_view root, std::string_view value) {
    for (const auto& name : words(value)) {
        out.push_back(std::string(root) + name.substr(0, name.find(':')));
    }
}

bool is_below(std::string_view path, std::string_view directory) {
    while (directory.ends_with('/')) directory.remove_suffix(1);
    return path.starts_with(directory) &&
           (path.size() == directory.size() || path[directory.size()] == '/');
}

bool is_below_any(std::string_view path, const Paths& directories) {
    return std::ranges::any_of(directories,
                               [&](const auto& directory) { return is_below(path, directory); });
}

std::string drop_in(const ServiceView& service, std::string_view line) {
    return fmt::format("`systemctl edit {}`: [Service] {}", service.unit, line);
}

/// Returns why the service can't read the path; "" if it can.
std::string why_hidden(const std::string& path, const ServiceView& service) {
    if (is_below_any(path, service.shown)) return {};
    const bool is_home = is_below_any(path, {"/home", "/root", "/run/user"});
    if (is_home && (service.protect_home == "yes" || service.protect_home == "tmpfs")) {
        return fmt::format(
            "{} is hidden from {} (ProtectHome={}): keep it below /etc/flowrelay, or {}", path,
            service.unit, service.protect_home,
            drop_in(service, fmt::format("BindReadOnlyPaths={}", path)));
    }
    if (service.private_tmp && is_below_any(path, {"/tmp", "/var/tmp"})) {
        return fmt::format(
            "{} is hidden from {}, which has a directory of its own in its place "
            "(PrivateTmp=yes): keep it elsewhere",
            path, service.unit);
    }
    return {};
}

/// Returns why the service can't write to the path; "" if it can.
std::string why_protected(const std::string& path, const ServiceView& service) {
    if (std::string hidden = why_hidden(path, service); !hidden.empty()) return hidden;
    std::string setting;
    if (is_below_any(path, service.read_only)) {
        setting = "ReadOnlyPaths";
    } else if (service.protect_home == "read-only" &&
               is_below_any(path, {"/home", "/root", "/run/user"})) {
        setting = "ProtectHome=read-only";
    } else if (service.protect_system == "strict") {
        setting = "ProtectSystem=strict";
    } else if ((service.protect_system == "full" || service.protect_system == "yes") &&
               (is_below_any(path, {"/usr", "/boot", "/efi"}) ||
                (service.protect_system == "full" && is_below(path, "/etc")))) {
        setting = "ProtectSystem=" + service.protect_system;
    }
    if (setting.empty() || is_below_any(path, service.writable)) return {};
    return fmt::format("{} is read-only for {} ({}): {}", path, service.unit, setting,
                       drop_in(service, fmt::format("ReadWritePaths={}", path)));
}

std::string directory_of(const std::string& path) {
    return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

}  // namespace

std::string_view service_properties() noexcept {
    return "User,Group,SupplementaryGroups,StateDirectory,RuntimeDirectory,CacheDirectory,"
           "LogsDirectory,ReadWritePaths,ReadOnlyPaths,BindPaths,BindReadOnlyPaths,ProtectSystem,"
           "ProtectHome,PrivateTmp,TriggeredBy";
}

ServiceView parse_service_view(std::string_view unit, std::string_view properties) {
    ServiceView service;
    service.unit = unit;
    std::istringstream lines{std::string(properties)};
    for (std::string line; std::getline(lines, line);) {
        const std::size_t equals = std::min(line.find('='), line.size());
        const std::string name = line.substr(0, equals);
        const std::string value = line.substr(std::min(equals + 1, line.size()));
        if (name == "User") service.user = value;
        if (name == "Group") service.group = value;
        if (name == "SupplementaryGroups") service.groups = words(value);
        if (name == "StateDirectory") append(service.writable, "/var/lib/", value);
        if (name == "RuntimeDirectory") append(service.writable, "/run/", value);
        if (name == "CacheDirectory") append(service.writable, "/var/cache/", value);
        if (name == "LogsDirectory") append(service.writable, "/var/log/", value);
        if (name == "ReadWritePaths") append(service.writable, "", value);
        if (name == "ReadOnlyPaths") append(service.read_only, "", value);
        if (name == "ProtectSystem") service.protect_system = value;
        if (name == "ProtectHome") service.protect_home = value;
        if (name == "PrivateTmp") service.private_tmp = value != "no";
        if (name == "BindPaths" || name == "BindReadOnlyPaths") {
            for (auto& path : destinations(value)) {
                if (name == "BindPaths") service.writable.push_back(path);
                service.shown.push_back(std::move(path));
            }
        }
        if (name == "TriggeredBy") {
            for (const auto& socket : words(value)) {
                service.passes_ingest |= socket == "flowrelayd.socket";
                service.passes_control |= socket == "flowrelayd-control.socket";
            }
        }
    }
    return service;
}

std::vector<ConfigProblem> check_for_service(const Config& config, const std::string& file,
                                             const ServiceView& service) {
    std::vector<ConfigProblem> problems;
    const auto complain = [&](std::string_view key, const std::string& why) {
        if (why.empty()) return;
        problems.push_back({file, 0, 0, fmt::format("key `{}`: {}", key, why)});
    };
    const auto read = [&](std::string_view key, const std::string& path) {
        if (!path.empty()) complain(key, why_hidden(path, service));
    };
    complain("spool.directory", why_protected(config.spool.directory, service));
    const auto listen = [&](std::string_view key, const std::string& path, bool is_passed) {
        if (!is_passed) complain(key, why_protected(directory_of(path), service));
    };
    listen("ingest.socket", config.ingest.socket, service.passes_ingest);
    listen("control.socket", config.control.socket, service.passes_control);
    read("destination.ca_file", config.destination.ca_file);
    read("destination.client_certificate", config.destination.client_certificate);
    read("destination.client_key", config.destination.client_key);
    read("destination.proxy_credentials_file", config.destination.proxy_credentials_file);
    for (const auto& source : config.sources) {
        read("sources.flow_token_file", source.flow_token_file);
    }
    return problems;
}

}  // namespace flowrelay::app
