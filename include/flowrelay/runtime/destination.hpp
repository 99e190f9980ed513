// Where events are posted to, worked out of the configuration.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

struct ProxyServer {
    std::string host;
    std::uint16_t port = 0;
};

struct Destination {
    bool tls = true;
    std::string host;  ///< a name or an address, IPv6 without brackets
    std::uint16_t port = 0;
    std::string authority;  ///< the Host field
    std::string target;     ///< "/messages"
    std::optional<ProxyServer> proxy;
    Milliseconds connect_timeout{10'000};
    Milliseconds request_timeout{30'000};
};

/// The value of an environment variable; empty if it is not set.
using Environment = std::function<std::string(const char*)>;

/// Which proxy leads to the destination. `configured`: "http://host:port", "none", or empty: then
/// the environment decides (https_proxy or http_proxy, in capitals as well except HTTP_PROXY, which
/// a CGI request could set; no_proxy: host names, domains with their subdomains, addresses, "*").
/// Loopback destinations never go through a proxy of the environment.
/// Error: a proxy that is not "http://host:port". The message does not repeat a password.
Result<std::optional<ProxyServer>> choose_proxy(std::string_view configured,
                                                const Destination& destination,
                                                const Environment& environment);

}  // namespace flowrelay::runtime
