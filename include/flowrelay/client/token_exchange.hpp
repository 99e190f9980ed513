// Calls to the OAuth server: exchanges a code for an access token, and revokes the token.
#pragma once

#include <string>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/client/failure.hpp"
#include "flowrelay/client/oauth.hpp"

namespace flowrelay::client {

/// The result of exchanging a code.
struct Exchange {
    AccessGrant grant;    ///< valid only if `problem` is empty
    std::string problem;  ///< why there is no grant, safe to print
    Failure failure = Failure::try_later;
    bool wrong_code = false;  ///< another code may be accepted
};

/// Exchanges a code at the configured token endpoint. Blocks. Throws ConfigError.
Exchange exchange_code(const app::Config& config, const AuthorizationRequest& request,
                       const std::string& code, const Secret& client_secret);

/// Revokes an access token (RFC 7009). Blocks. Error: the server did not revoke it; the message
/// says why. Throws ConfigError.
Result<void> revoke_token(const app::Config& config, const std::string& client_id,
                          const Secret& client_secret, const Secret& access_token);

/// Returns the server of a URL, for users: "api.example.com".
std::string server_of(const std::string& url);

}  // namespace flowrelay::client
