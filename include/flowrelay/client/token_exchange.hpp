// The calls to the OAuth server: a code for an access token, and the token given back.
#pragma once

#include <string>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/client/failure.hpp"
#include "flowrelay/client/oauth.hpp"

namespace flowrelay::client {

/// What a server gave for a code.
struct Exchange {
    AccessGrant grant;    ///< meant only without a problem
    std::string problem;  ///< why there is no grant, fit to print; empty: there is one
    Failure failure = Failure::try_later;
    bool wrong_code = false;  ///< another code may do
};

/// Exchanges a code at the token endpoint of the configuration. Blocks. Throws ConfigError.
Exchange exchange_code(const app::Config& config, const AuthorizationRequest& request,
                       const std::string& code, const Secret& client_secret);

/// Gives an access token back (RFC 7009). Blocks. Error: the server did not take it back; the
/// message says why. Throws ConfigError.
Result<void> revoke_token(const app::Config& config, const std::string& client_id,
                          const Secret& client_secret, const Secret& access_token);

/// The server of a URL, for people: "api.example.com".
std::string server_of(const std::string& url);

}  // namespace flowrelay::client
