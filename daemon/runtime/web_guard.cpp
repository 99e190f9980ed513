#include "web_guard.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/error.hpp"

namespace flowrelay::runtime {

namespace {

bool has_field(const http::RequestReader& request, std::string_view name) {
    return std::ranges::any_of(request.fields(), [name](const http::Field& field) {
        return ascii::iequals(field.name, name);
    });
}

bool is_port(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 5 && ascii::all_digits(text);
}

bool is_localhost(std::string_view name) noexcept {
    constexpr std::string_view localhost = "localhost";
    if (name.ends_with('.')) name.remove_suffix(1);
    return std::ranges::equal(name, localhost, [](char a, char b) { return (a | 0x20) == b; });
}

}  // namespace

bool is_tcp(const StreamSocket& socket) {
    error_code error;
    const int family = socket.local_endpoint(error).protocol().family();
    return !error && (family == AF_INET || family == AF_INET6);
}

bool listens_on_loopback(const StreamSocket& socket) {
    error_code error;
    const auto endpoint = socket.local_endpoint(error);
    if (error) return false;
    if (endpoint.protocol().family() == AF_INET) {
        sockaddr_in address{};
        std::memcpy(&address, endpoint.data(), std::min(sizeof address, endpoint.size()));
        return (ntohl(address.sin_addr.s_addr) >> 24) == 127;
    }
    if (endpoint.protocol().family() != AF_INET6) return false;
    sockaddr_in6 address{};
    std::memcpy(&address, endpoint.data(), std::min(sizeof address, endpoint.size()));
    return IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
}

bool is_loopback_host(std::string_view host) noexcept {
    std::string_view name = host;
    if (name.starts_with('[')) {
        const std::size_t end = name.find(']');
        if (end == name.npos) return false;
        const std::string_view rest = name.substr(end + 1);
        if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return false;
        in6_addr address{};
        const std::string text(name.substr(1, end - 1));
        return text.size() < INET6_ADDRSTRLEN &&
               ::inet_pton(AF_INET6, text.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
    }
    const std::size_t colon = name.find(':');
    if (colon != name.npos) {
        if (!is_port(name.substr(colon + 1))) return false;
        name = name.substr(0, colon);
    }
    if (is_localhost(name)) return true;
    in_addr address{};
    const std::string text(name);
    return text.size() < INET_ADDRSTRLEN && ::inet_pton(AF_INET, text.c_str(), &address) == 1 &&
           (ntohl(address.s_addr) >> 24) == 127;
}

std::string_view problem_of_host(const http::RequestReader& request) noexcept {
    if (!has_field(request, "host")) return {};
    if (is_loopback_host(request.field("Host"))) return {};
    return "the Host of this request is not this host's loopback: use localhost, 127.0.0.1 or "
           "[::1]";
}

std::string_view problem_of_web_page(const http::RequestReader& request) noexcept {
    if (has_field(request, "origin")) {
        return "this request has an Origin, so it comes from a web page, which may not use this "
               "port";
    }
    if (has_field(request, "sec-fetch-site") && request.field("Sec-Fetch-Site") != "none") {
        return "this request comes from a web page (Sec-Fetch-Site), which may not use this port";
    }
    return problem_of_host(request);
}

}  // namespace flowrelay::runtime
