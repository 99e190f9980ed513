#include "flowrelay/app/connect_settings.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "flowrelay/app/secret_file.hpp"

namespace flowrelay::app {

namespace {

/// Returns where the host with its port begins and ends in a URL with "://".
std::pair<std::size_t, std::size_t> authority_of(std::string_view url) {
    const std::size_t begin = url.find("://") + 3;
    return {begin, std::min(url.find('/', begin), url.size())};
}

bool has_port(std::string_view url) {
    const auto [begin, end] = authority_of(url);
    const std::string_view authority = url.substr(begin, end - begin);
    const std::size_t colon = authority.rfind(':');
    return colon != authority.npos && authority.find(']', colon) == authority.npos;
}

std::string below_base(const Config& config, const std::string& given, std::string_view path) {
    if (!given.empty()) return given;
    std::string_view base = config.destination.base_url;
    while (base.ends_with('/')) base.remove_suffix(1);
    return fmt::format("{}{}", base, path);
}

}  // namespace

Result<RedirectUri> parse_redirect_uri(std::string_view uri) {
    if (uri == out_of_band_uri) return RedirectUri{};
    const auto url = parse_base_url(uri);
    if (!url) {
        return Error{url.error().code,
                     fmt::format("{}; it is the callback URI of the application, exactly as it was "
                                 "registered, or {}",
                                 url.error().message, out_of_band_uri)};
    }
    RedirectUri result;
    result.kind = RedirectUri::Kind::elsewhere;
    result.path = uri.substr(authority_of(uri).second);
    if (result.path.empty()) result.path = "/";
    if (!url->tls && is_loopback(url->host)) {
        result.kind = RedirectUri::Kind::loopback;
        result.address = url->host == "localhost" ? "127.0.0.1" : url->host;
        if (has_port(uri)) result.port = url->port;
    }
    return result;
}

std::string with_port(std::string_view loopback_uri, std::uint16_t port) {
    std::string uri(loopback_uri);
    if (!has_port(uri)) uri.insert(authority_of(uri).second, fmt::format(":{}", port));
    return uri;
}

std::string authorize_url(const Config& config) {
    return below_base(config, config.connect.authorize_url, "/oauth/authorize");
}

std::string token_url(const Config& config) {
    return below_base(config, config.connect.token_url, "/oauth/token");
}

std::string revoke_url(const Config& config) {
    return below_base(config, config.connect.revoke_url, "/oauth/revoke");
}

ConnectConfig pages_application(const Config& config) {
    ConnectConfig result = config.connect;
    if (!config.pages.client_id.empty()) {
        result.client_id = config.pages.client_id;
        result.client_secret_file = config.pages.client_secret_file;
        result.client_secret_credential = config.pages.client_secret_credential;
    }
    result.redirect_uri = config.pages.public_url + "/callback";
    return result;
}

std::vector<std::string> split_scopes(std::string_view list) {
    std::vector<std::string> scopes;
    while (true) {
        list.remove_prefix(std::min(list.find_first_not_of(" ,\t"), list.size()));
        if (list.empty()) return scopes;
        const std::size_t end = std::min(list.find_first_of(" ,\t"), list.size());
        std::string scope(list.substr(0, end));
        if (std::ranges::find(scopes, scope) == scopes.end()) scopes.push_back(std::move(scope));
        list.remove_prefix(end);
    }
}

Secret load_client_secret(const ConnectConfig& config, std::string_view section) {
    const bool is_credential = !config.client_secret_credential.empty();
    const std::string key = fmt::format(
        "{}.{}", section, is_credential ? "client_secret_credential" : "client_secret_file");
    const auto fail = [&](std::string message) {
        return ConfigError({{"configuration", 0, 0, fmt::format("{}: {}", key, message)}});
    };
    std::string path = config.client_secret_file;
    if (is_credential) {
        auto found = credential_path(config.client_secret_credential);
        if (found.has_error()) throw fail(found.error().message);
        path = std::move(*found);
    }
    if (path.empty()) return Secret();
    auto read = read_secret_file(path, is_credential ? FileMode::any : FileMode::checked,
                                 SecretRules{"client secret", 1024, true});
    if (read.has_error()) throw fail(fmt::format("{} {}", path, read.error().message));
    return std::move(*read);
}

std::string warn_of_client_secret(const ConnectConfig& config) {
    const std::string& path = config.client_secret_file;
    struct stat status{};
    if (path.empty()) return {};
    if (::stat(path.c_str(), &status) != 0) {
        if (errno != ENOENT) return {};  // the user who connects sources may be able to see it
        return fmt::format("connect.client_secret_file: there is no {}", path);
    }
    if ((status.st_mode & 0777U & ~0640U) == 0) return {};
    return fmt::format(
        "{} has mode {:04o}, so that others can read or change the client secret; set it with: "
        "chmod 0600 {}",
        path, status.st_mode & 0777U, path);
}

}  // namespace flowrelay::app
