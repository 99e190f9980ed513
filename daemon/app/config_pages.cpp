#include "config_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "flowrelay/app/connect_settings.hpp"
#include "flowrelay/app/secret_file.hpp"

namespace flowrelay::app {

namespace {

constexpr std::size_t longest_socket = 107;  // sockaddr_un

void read_public_url(const MapReader& map, std::string& out) {
    map.read("public_url", out);
    if (out.empty()) return;
    const auto parts = parse_base_url(out);
    if (!parts) {
        map.complain("public_url", parts.error().message);
    } else if (!parts->tls && !is_loopback(parts->host)) {
        map.complain("public_url",
                     "plain http would show invitations and codes to the network; browsers have "
                     "to reach the pages by https");
    } else if (!std::ranges::all_of(out, [](char c) { return c > ' ' && c < 0x7F; })) {
        map.complain("public_url", "has spaces or characters outside ASCII");
    }
    while (out.ends_with('/')) out.pop_back();
}

void read_pages_listen(const MapReader& map, std::string& out) {
    if (map.find("listen") == nullptr) return;
    std::string given;
    map.read("listen", given);
    if (given.starts_with('/')) {
        map.read_path("listen", out, longest_socket);
    } else if (const auto address = parse_listen_address(given); address) {
        out = given;
    } else {
        map.complain("listen", fmt::format("{}; or it is the path of a Unix socket",
                                           address.error().message));
    }
}

}  // namespace

void read_pages(const MapReader& map, PagesConfig& out) {
    read_public_url(map, out.public_url);
    read_pages_listen(map, out.listen);
    map.read_path("invite_socket", out.invite_socket, longest_socket);
    map.read_path("state_directory", out.state_directory);
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
    map.read("organizations", out.organizations);
    map.read("users", out.users);
}

}  // namespace flowrelay::app
