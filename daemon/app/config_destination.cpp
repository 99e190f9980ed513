#include "config_destination.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "config_yaml.hpp"
#include "flowrelay/app/secret_file.hpp"
#include "flowrelay/runtime/destination.hpp"

namespace flowrelay::app {

namespace {

/// Removes slashes at the end.
std::string_view trimmed(std::string_view url) {
    while (url.ends_with('/')) url.remove_suffix(1);
    return url;
}

void check_proxy(const MapReader& map, const std::string& proxy) {
    if (proxy.empty() || proxy == "none") return;
    const auto chosen = runtime::parse_proxy(proxy);
    if (chosen.has_error()) map.complain("proxy", chosen.error().message);
}

/// Reads a path, or the name of a credential under another key. At most one of the two may be set.
void read_file_key(const MapReader& map, std::string_view path_key, std::string& path,
                   std::string_view credential_key, std::string& credential) {
    map.read_path(path_key, path);
    map.read(credential_key, credential);
    if (!credential.empty() && !is_credential_name(credential)) {
        map.complain(credential_key, "must be the name of a systemd credential");
    } else if (!path.empty() && !credential.empty()) {
        map.complain(credential_key, fmt::format("can't be there beside `{}`", path_key));
    }
}

void read_files(const MapReader& map, DestinationConfig& out) {
    map.read_path("ca_file", out.ca_file);
    read_file_key(map, "client_certificate", out.client_certificate,
                  "client_certificate_credential", out.client_certificate_credential);
    read_file_key(map, "client_key", out.client_key, "client_key_credential",
                  out.client_key_credential);
    read_file_key(map, "proxy_credentials_file", out.proxy_credentials_file, "proxy_credential",
                  out.proxy_credential);
    const bool certificate =
        !out.client_certificate.empty() || !out.client_certificate_credential.empty();
    const bool key = !out.client_key.empty() || !out.client_key_credential.empty();
    const char* const key_name = out.client_key.empty() ? "client_key_credential" : "client_key";
    if (key && !certificate) {
        map.complain(key_name, "is of no use without its certificate, `client_certificate`");
    }
    if (certificate && out.base_url.starts_with("http://")) {
        map.complain("client_certificate", "is of no use with plain http");
    }
    const bool credentials = !out.proxy_credentials_file.empty() || !out.proxy_credential.empty();
    if (credentials && out.proxy == "none") {
        map.complain("proxy_credentials_file", "is of no use with `proxy: none`");
    }
}

void read_check(const MapReader& map, DestinationConfig& out) {
    constexpr std::string_view key = "check_idle_sources";
    const YamlNode* value = map.find(key);
    if (value != nullptr && value->kind == YamlNode::Kind::scalar && value->text == "off") {
        out.check_idle_sources = Milliseconds(0);
    } else {
        map.read_duration(key, out.check_idle_sources, Seconds(1), Hours(365 * 24));
    }
}

}  // namespace

void read_destination(const MapReader& map, DestinationConfig& out) {
    map.read("allow_plaintext", out.allow_plaintext);
    map.read("base_url", out.base_url);
    if (map.find("base_url") == nullptr || out.base_url.empty()) {
        map.complain("base_url",
                     "missing; set it to the URL of the server that takes the events, "
                     "like https://flowdock.example.com");
    } else if (const auto url = parse_base_url(out.base_url); !url) {
        map.complain("base_url", url.error().message);
    } else if (!url->tls && !is_loopback(url->host) && !out.allow_plaintext) {
        map.complain("base_url",
                     "plain http would show the tokens to the network; use https, or set "
                     "`destination.allow_plaintext: true` if you are sure");
    }
    map.read("path", out.path);
    if (!out.path.starts_with('/') || out.path.find_first_of(" ?#\\") != std::string::npos) {
        map.complain("path", "must begin with / and have no spaces, queries or fragments");
    }
    if (out.path.size() > 1 && trimmed(out.base_url).ends_with(out.path)) {
        map.complain(
            "base_url",
            fmt::format("ends with {}, which destination.path adds: take it out", out.path));
    }
    map.read("proxy", out.proxy);
    check_proxy(map, out.proxy);
    read_files(map, out);
    map.read_duration("connect_timeout", out.connect_timeout, Milliseconds(100), Minutes(5));
    map.read_duration("request_timeout", out.request_timeout, Milliseconds(100), Hours(1));
    map.read_number("max_connections", out.max_connections, 1U, 1024U);
    map.read_rate("rate_limit", out.rate_limit);
    map.read_number("rate_burst", out.rate_burst, 0U, 1'000'000U);
    read_check(map, out);
    out.expects_json = map.read_word("expect", {"any", "json"}, out.expects_json ? 1 : 0) == 1;
}

}  // namespace flowrelay::app
