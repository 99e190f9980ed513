#include "destination_files.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "flowrelay/app/secret_file.hpp"

namespace flowrelay::app {

namespace {

ConfigError file_error(std::string_view key, std::string_view message) {
    return ConfigError(
        {ConfigProblem{"configuration", 0, 0, fmt::format("destination.{}: {}", key, message)}});
}

std::string path_of(std::string_view key, const std::string& path, const std::string& credential) {
    if (credential.empty()) return path;
    auto found = credential_path(credential);
    if (found.has_error()) throw file_error(key, found.error().message);
    return std::move(*found);
}

std::string key_path(const DestinationConfig& config) {
    return path_of("client_key_credential", config.client_key, config.client_key_credential);
}

std::string certificate_path(const DestinationConfig& config) {
    return path_of("client_certificate_credential", config.client_certificate,
                   config.client_certificate_credential);
}

bool is_plain_http(const DestinationConfig& config) {
    const auto url = parse_base_url(config.base_url);
    return url.has_value() && !url->tls;
}

}  // namespace

std::unique_ptr<runtime::TlsContext> make_tls_context(const DestinationConfig& config) {
    if (is_plain_http(config)) return nullptr;
    const runtime::TlsFiles files{config.ca_file, certificate_path(config), key_path(config)};
    try {
        return std::make_unique<runtime::TlsContext>(files);
    } catch (const std::runtime_error& error) {
        throw ConfigError({ConfigProblem{"configuration", 0, 0, error.what()}});
    }
}

Secret load_proxy_credentials(const DestinationConfig& config) {
    const bool is_credential = !config.proxy_credential.empty();
    const std::string path =
        path_of("proxy_credential", config.proxy_credentials_file, config.proxy_credential);
    if (path.empty()) return Secret();
    auto read = read_secret_file(path, is_credential ? FileMode::any : FileMode::checked,
                                 SecretRules{"user and password", 1024, true});
    if (read.has_error()) {
        throw file_error("proxy_credentials_file",
                         fmt::format("{} {}", path, read.error().message));
    }
    const auto colon = read->reveal().find(':');
    if (colon == std::string_view::npos || colon == 0) {
        throw file_error("proxy_credentials_file",
                         fmt::format("{} must hold one line, user:password", path));
    }
    return std::move(*read);
}

std::string warn_of_exposed_key(const DestinationConfig& config) {
    if (!config.client_key_credential.empty()) return {};
    const std::string& path =
        config.client_key.empty() ? config.client_certificate : config.client_key;
    struct stat status{};
    if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
    if ((status.st_mode & 0777U & ~0640U) == 0) return {};
    return fmt::format(
        "{} has mode {:04o}, so that others can read or change the private key; set "
        "it with: chmod 0600 {}",
        path, status.st_mode & 0777U, path);
}

bool needs_missing_credentials(const DestinationConfig& config) {
    const bool needed = !config.client_certificate_credential.empty() ||
                        !config.client_key_credential.empty() || !config.proxy_credential.empty();
    return needed && std::getenv("CREDENTIALS_DIRECTORY") == nullptr;
}

}  // namespace flowrelay::app
