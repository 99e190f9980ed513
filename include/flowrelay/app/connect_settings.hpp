// What the section `connect` of the configuration means. All but load_client_secret() are pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::app {

/// Where the server sends the browser with the code.
struct RedirectUri {
    enum class Kind {
        out_of_band,  ///< nowhere: the server shows the code
        loopback,     ///< to this machine
        elsewhere,    ///< to another one: people copy the address of the page
    };
    Kind kind = Kind::out_of_band;
    std::string address;     ///< of `loopback`: what to listen on, "127.0.0.1" or "::1"
    std::uint16_t port = 0;  ///< of `loopback`; 0: the URI has none, so any port will do
    std::string path;        ///< "/callback"
};

/// Reads an http or https URL, or out_of_band_uri. Error: something else, or a query or fragment.
Result<RedirectUri> parse_redirect_uri(std::string_view uri);

/// The URI itself with a port where it has none (RFC 8252, section 7.3).
std::string with_port(std::string_view loopback_uri, std::uint16_t port);

/// The endpoints of the server, given or derived from destination.base_url.
std::string authorize_url(const Config& config);
std::string token_url(const Config& config);
std::string revoke_url(const Config& config);

/// The application in whose name the pages make sources, with their callback as redirect URI: that
/// of `pages`, or else that of `connect`.
ConnectConfig pages_application(const Config& config);

/// The scopes in a list that is separated by spaces, commas or both, each once.
std::vector<std::string> split_scopes(std::string_view list);

/// Reads the secret of the application; empty if the configuration names none. Throws ConfigError:
/// it can't be read, or others can read it (mode beyond 0640). Never repeats what it read.
/// `section`: of the configuration, for messages.
Secret load_client_secret(const ConnectConfig& config, std::string_view section = "connect");

/// What is wrong with the mode of the secret's file, or that it is not there; empty if nothing is.
/// The file itself is not read: the daemon does not need it.
std::string warn_of_client_secret(const ConnectConfig& config);

}  // namespace flowrelay::app
