// Where events are posted to, worked out of the configuration.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

struct ProxyServer {
    std::string host;
    std::uint16_t port = 0;
    Secret authorization;  ///< the value of the Proxy-Authorization field; empty: none
};

struct Destination {
    bool tls = true;
    std::string host;  ///< a name or an address, IPv6 without brackets
    std::uint16_t port = 0;
    std::string authority;                    ///< the Host field
    std::string target;                       ///< "/messages"
    std::string sources_target = "/sources";  ///< for reports of problems
    std::optional<ProxyServer> proxy;
    // As Route has them: for the log.
    std::string proxy_from;
    std::string why_no_proxy;
    std::vector<std::string> unusable_exceptions;
    Milliseconds connect_timeout{10'000};
    Milliseconds request_timeout{30'000};
    bool expects_json = false;  ///< a 2xx with another body counts as something else's answer
};

/// The value of an environment variable; empty if it is not set.
using Environment = std::function<std::string(const char*)>;

/// Reads "http://host:port[/]"; "host:port" is the same, and without a port it is 80.
/// Error: anything else. The message is the rest of a sentence about the value, says what to do
/// about a user and password in it, and does not repeat it.
Result<ProxyServer> parse_proxy(std::string_view url);

/// The way to the destination, and why it is that.
struct Route {
    std::optional<ProxyServer> proxy;  ///< without its authorization
    /// What decided: "destination.proxy", "https_proxy", "http_proxy". Empty: no proxy is set.
    std::string from;
    std::string why_not;                ///< why `proxy` is none although one is set; or empty
    std::vector<std::string> unusable;  ///< entries of no_proxy that can't match any host
};

/// Chooses the proxy that leads to the destination. `configured`: "http://host:port", "none", or
/// empty: then the environment decides (https_proxy or http_proxy, in capitals as well except
/// HTTP_PROXY, which a CGI request could set; no_proxy in all forms that curl and Go take).
/// Loopback destinations never go through a proxy of the environment.
/// Error: as parse_proxy, with where the value comes from.
Result<Route> choose_proxy(std::string_view configured, const Destination& destination,
                           const Environment& environment);

/// "user:password" as the value of a Proxy-Authorization field: the scheme Basic (RFC 7617).
Secret basic_authorization(const Secret& credentials);

}  // namespace flowrelay::runtime
