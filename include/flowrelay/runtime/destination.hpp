// Where events are posted to, worked out of the configuration.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

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
    Milliseconds connect_timeout{10'000};
    Milliseconds request_timeout{30'000};
};

/// The value of an environment variable; empty if it is not set.
using Environment = std::function<std::string(const char*)>;

/// Reads "http://host:port[/]"; "host:port" is the same, and without a port it is 80.
/// Error: anything else. The message is the rest of a sentence about the value, says what to do
/// about a user and password in it, and does not repeat it.
Result<ProxyServer> parse_proxy(std::string_view url);

/// Which proxy leads to the destination. `configured`: "http://host:port", "none", or empty: then
/// the environment decides (https_proxy or http_proxy, in capitals as well except HTTP_PROXY, which
/// a CGI request could set; no_proxy: host names, domains with their subdomains, addresses, "*").
/// Loopback destinations never go through a proxy of the environment.
/// The result has no authorization yet.
/// Error: as parse_proxy, with where the value comes from.
Result<std::optional<ProxyServer>> choose_proxy(std::string_view configured,
                                                const Destination& destination,
                                                const Environment& environment);

/// "user:password" as the value of a Proxy-Authorization field: the scheme Basic (RFC 7617).
Secret basic_authorization(const Secret& credentials);

}  // namespace flowrelay::runtime
