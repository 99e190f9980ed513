// Chooses the proxy: a pure function of the configuration and the environment.
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <utility>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/number.hpp"
#include "flowrelay/runtime/destination.hpp"
#include "no_proxy.hpp"

namespace flowrelay::runtime {
namespace {

Error bad_proxy(std::string why = "must be http://host:port") {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(why)};
}

bool is_loopback(const std::string& host) {
    if (host == "localhost") return true;
    error_code no_address;
    const auto address = boost::asio::ip::make_address(host, no_address);
    return !no_address && address.is_loopback();
}

/// Parses the proxy in `value`. The error message says where the value comes from.
Result<Route> route_over(std::string_view value, std::string from, std::string_view where) {
    auto proxy = parse_proxy(value);
    if (proxy.has_error()) return bad_proxy(fmt::format("{} {}", where, proxy.error().message));
    Route route;
    route.proxy = std::move(*proxy);
    route.from = std::move(from);
    return route;
}

}  // namespace

Result<ProxyServer> parse_proxy(std::string_view url) {
    std::string text = ascii::lower(url);
    std::string_view rest = text;
    const auto scheme = rest.find("://");
    if (scheme != std::string_view::npos) {
        if (rest.substr(0, scheme) != "http") {
            return bad_proxy("must be http://host:port; no other kind of proxy is known");
        }
        rest.remove_prefix(scheme + 3);
    }
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (rest.find('@') != std::string_view::npos) {
        return bad_proxy(
            "must not have a user and a password in it: put user:password into a "
            "file and name it in destination.proxy_credentials_file");
    }
    if (rest.empty() || rest.find_first_of("/?# ") != std::string_view::npos) {
        return bad_proxy();
    }
    ProxyServer proxy;
    proxy.port = 80;
    const bool v6 = rest.front() == '[';
    const auto host_end = v6 ? rest.find(']') : rest.rfind(':');
    if (v6 && host_end == std::string_view::npos) return bad_proxy();
    const auto colon = v6 ? rest.find(':', host_end) : host_end;
    if (colon != std::string_view::npos) {
        proxy.port = parse_number<std::uint16_t>(rest.substr(colon + 1)).value_or(0);
        if (proxy.port == 0) return bad_proxy();
    }
    proxy.host = v6 ? rest.substr(1, host_end - 1) : rest.substr(0, colon);
    if (proxy.host.empty()) return bad_proxy();
    return proxy;
}

Result<Route> choose_proxy(std::string_view configured, const Destination& destination,
                           const Environment& environment) {
    Route direct;
    if (configured == "none") {
        direct.from = "destination.proxy";
        direct.why_not = "destination.proxy is none";
        return direct;
    }
    if (!configured.empty()) {
        return route_over(configured, "destination.proxy", "destination.proxy");
    }
    const auto first_of = [&](const char* a, const char* b) {
        std::string value = environment(a);
        return value.empty() ? environment(b) : value;
    };
    direct.from = destination.tls ? "https_proxy" : "http_proxy";
    // HTTP_PROXY in capitals can be set by a request to a CGI program: https://httpoxy.org
    const std::string url =
        destination.tls ? first_of("https_proxy", "HTTPS_PROXY") : environment("http_proxy");
    if (url.empty()) return Route();
    const auto no_proxy =
        read_no_proxy(first_of("no_proxy", "NO_PROXY"), destination.host, destination.port);
    direct.unusable = no_proxy.unusable;
    if (is_loopback(ascii::lower(destination.host))) {
        direct.why_not = "the destination is this host";
        return direct;
    }
    if (!no_proxy.match.empty()) {
        direct.why_not = fmt::format("no_proxy has {}", no_proxy.match);
        return direct;
    }
    auto route = route_over(url, direct.from, fmt::format("the environment's {}", direct.from));
    if (route.has_value()) route->unusable = no_proxy.unusable;
    return route;
}

Secret basic_authorization(const Secret& credentials) {
    const std::string_view plain = credentials.reveal();
    std::string value = "Basic ";
    const std::size_t begin = value.size();
    value.resize(begin + (plain.size() + 2) / 3 * 4 + 1);  // OpenSSL ends it with a zero
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(value.data() + begin),
                                     reinterpret_cast<const unsigned char*>(plain.data()),
                                     static_cast<int>(plain.size()));
    value.resize(begin + static_cast<std::size_t>(size));
    return Secret(std::move(value));
}

}  // namespace flowrelay::runtime
