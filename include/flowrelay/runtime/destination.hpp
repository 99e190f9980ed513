// Where events are posted, as derived from the configuration.
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
    Secret authorization;  ///< value of the Proxy-Authorization field; empty: none
};

struct Destination {
    bool tls = true;
    std::string host;  ///< name or address; IPv6 without brackets
    std::uint16_t port = 0;
    std::string authority;                    ///< value of the Host field
    std::string target;                       ///< "/messages"
    std::string sources_target = "/sources";  ///< for problem reports
    std::optional<ProxyServer> proxy;
    // From Route (`from`, `why_not`, `unusable`), for the log.
    std::string proxy_from;
    std::string why_no_proxy;
    std::vector<std::string> unusable_exceptions;
    Milliseconds connect_timeout{10'000};
    Milliseconds request_timeout{30'000};
    bool expects_json = false;  ///< a 2xx without JSON is taken for the answer of some other server
};

/// Returns the value of an environment variable; empty if it is not set.
using Environment = std::function<std::string(const char*)>;

/// Parses "http://host:port[/]" or "host:port"; the port defaults to 80. Error: anything else. The
/// message completes a sentence about the value and never repeats the value; if it contains a user
/// and password, the message says where to put them instead.
Result<ProxyServer> parse_proxy(std::string_view url);

/// The route to the destination (direct or through a proxy), and the reason for it.
struct Route {
    std::optional<ProxyServer> proxy;  ///< without `authorization`
    /// The setting that decided: "destination.proxy", "https_proxy", "http_proxy". Empty: no proxy
    /// is set.
    std::string from;
    std::string why_not;                ///< why a proxy that is set is not used; empty otherwise
    std::vector<std::string> unusable;  ///< entries of no_proxy that can't match any host
};

/// Chooses the proxy for the destination. `configured` is "http://host:port", "none", or empty. If
/// it is empty, the environment decides: https_proxy or http_proxy, also in capitals except
/// HTTP_PROXY, which a CGI request could set; no_proxy in all forms that curl and Go accept. A
/// proxy from the environment is never used for loopback destinations. Error: as for parse_proxy;
/// the message also names where the value comes from.
Result<Route> choose_proxy(std::string_view configured, const Destination& destination,
                           const Environment& environment);

/// Returns the Proxy-Authorization value for "user:password", with the scheme Basic (RFC 7617).
Secret basic_authorization(const Secret& credentials);

}  // namespace flowrelay::runtime
