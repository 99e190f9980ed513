#include "config_connect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "flowrelay/app/connect_settings.hpp"
#include "flowrelay/app/secret_file.hpp"

namespace flowrelay::app {

namespace {

// Scopes that allow more than the command needs.
constexpr std::string_view refused_scopes[] = {"offline_access", "private", "manage"};

/// RFC 6749, section 3.3: no quotes and no backslashes.
bool is_scope_character(char c) {
    return c > ' ' && c < 0x7F && c != '"' && c != '\\';
}

void check_endpoint(const MapReader& map, std::string_view key, const std::string& url,
                    bool allow_plaintext) {
    if (url.empty()) return;
    const auto parts = parse_base_url(url);
    if (!parts) {
        map.complain(key, parts.error().message);
    } else if (parts->path_prefix.empty()) {
        map.complain(key, "has no path: the whole address of the endpoint is needed");
    } else if (!parts->tls && !is_loopback(parts->host) && !allow_plaintext) {
        map.complain(key,
                     "plain http would show secrets to the network; use https, or set "
                     "`destination.allow_plaintext: true` if you are sure");
    }
}

void check_scopes(const MapReader& map, const std::string& scopes) {
    if (split_scopes(scopes).empty()) {
        map.complain("scopes", "must name at least one scope, like `flow integration`");
    }
    for (const std::string& scope : split_scopes(scopes)) {
        if (!std::ranges::all_of(scope, is_scope_character)) {
            map.complain("scopes", fmt::format("{} is no scope: letters, digits and signs of "
                                               "ASCII, separated by spaces",
                                               show(scope)));
        }
        if (std::ranges::find(refused_scopes, scope) != std::end(refused_scopes)) {
            map.complain("scopes", fmt::format("`{}` allows more than is needed to add a source: "
                                               "take it out",
                                               scope));
        }
    }
}

}  // namespace

void read_connect(const MapReader& map, const DestinationConfig& destination, ConnectConfig& out) {
    map.read("client_id", out.client_id);
    map.read_path("client_secret_file", out.client_secret_file);
    map.read("client_secret_credential", out.client_secret_credential);
    const bool by_credential = !out.client_secret_credential.empty();
    if (by_credential && !is_credential_name(out.client_secret_credential)) {
        map.complain("client_secret_credential", "must be the name of a systemd credential");
    } else if (by_credential && !out.client_secret_file.empty()) {
        map.complain("client_secret_credential", "can't be there beside `client_secret_file`");
    }
    if (out.client_id.empty() && (by_credential || !out.client_secret_file.empty())) {
        map.complain("client_id",
                     "missing: a secret is of no use without the id of its application");
    }
    map.read("redirect_uri", out.redirect_uri);
    if (const auto uri = parse_redirect_uri(out.redirect_uri); !uri) {
        map.complain("redirect_uri", uri.error().message);
    }
    map.read("authorize_url", out.authorize_url);
    map.read("token_url", out.token_url);
    map.read("revoke_url", out.revoke_url);
    check_endpoint(map, "authorize_url", out.authorize_url, destination.allow_plaintext);
    check_endpoint(map, "token_url", out.token_url, destination.allow_plaintext);
    check_endpoint(map, "revoke_url", out.revoke_url, destination.allow_plaintext);
    map.read("scopes", out.scopes);
    check_scopes(map, out.scopes);
}

}  // namespace flowrelay::app
