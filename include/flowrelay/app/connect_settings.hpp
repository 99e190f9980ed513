// Interprets the section `connect` of the configuration. All functions but load_client_secret() and
// warn_of_client_secret() are pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::app {

/// Where the server redirects the browser with the code.
struct RedirectUri {
    enum class Kind {
        out_of_band,  ///< no redirect: the server shows the code
        loopback,     ///< to this machine
        elsewhere,    ///< to another machine: the user copies the address of the page
    };
    Kind kind = Kind::out_of_band;
    std::string address;     ///< for `loopback`: the address to listen on, "127.0.0.1" or "::1"
    std::uint16_t port = 0;  ///< for `loopback`; 0: the URI has no port, so any will do
    std::string path;        ///< "/callback"
};

/// Parses an http or https URL, or out_of_band_uri. Error: anything else, or a URL with a query or
/// fragment.
Result<RedirectUri> parse_redirect_uri(std::string_view uri);

/// Returns the URI with `port` if it has no port (RFC 8252, section 7.3).
std::string with_port(std::string_view loopback_uri, std::uint16_t port);

/// Return the OAuth endpoints: as configured, or derived from destination.base_url.
std::string authorize_url(const Config& config);
std::string token_url(const Config& config);
std::string revoke_url(const Config& config);

/// The application in whose name the pages make sources, with their callback as redirect URI: that
/// of `pages`, or else that of `connect`.
ConnectConfig pages_application(const Config& config);

/// Splits a list of scopes separated by spaces, commas or both, and removes duplicates.
std::vector<std::string> split_scopes(std::string_view list);

/// Reads the application's secret; empty if none is configured. Throws ConfigError if it can't be
/// read, or if others can read it (mode beyond 0640). The message never repeats the contents.
/// `section`: of the configuration, for messages.
Secret load_client_secret(const ConnectConfig& config, std::string_view section = "connect");

/// Returns a warning if the secret's file does not exist or has a wrong mode; empty otherwise. Does
/// not read the file: the daemon does not need it.
std::string warn_of_client_secret(const ConnectConfig& config);

}  // namespace flowrelay::app
