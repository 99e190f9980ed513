// Builds the requests to an OAuth 2.0 server for an access token, and parses its answers: the
// authorization code grant (RFC 6749) with PKCE (RFC 7636). Pure, except for random_word().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::client {

/// Returns `bytes` random bytes from the kernel, encoded in letters, digits, "-" and "_". Throws
/// std::runtime_error if the kernel provides none.
std::string random_word(std::size_t bytes);

/// Returns the code_challenge for a code_verifier, method S256.
std::string pkce_challenge(std::string_view verifier);

/// An authorization in progress. Never stored: only this process can complete it.
struct AuthorizationRequest {
    std::string authorize_url;
    std::string client_id;
    std::string redirect_uri;
    std::string scopes;    ///< separated by spaces
    std::string state;     ///< proves that a callback belongs to this request
    std::string verifier;  ///< secret: only its challenge is sent to the browser
};

/// Returns the address to open in a browser.
std::string authorization_url(const AuthorizationRequest& request);

/// The answer of the server, delivered by the browser.
struct Grant {
    enum class Kind {
        code,     ///< `text` is the code
        refused,  ///< `text` is the reason of the server or the user
        foreign,  ///< not an answer to this request; `text` says why
    };
    Kind kind = Kind::foreign;
    std::string text;
};

/// Parses the query of a request for the callback. It must have the state of `request`. If it names
/// its server (`iss`, RFC 9207), that must be the server of `request`.
Grant read_callback(std::string_view query, const AuthorizationRequest& request);

/// Parses pasted text: the code alone, or the whole address of the page that the browser ended up
/// at. An address without a state is accepted only if the server itself shows the code.
Grant read_pasted(std::string_view text, const AuthorizationRequest& request);

/// Returns the form-encoded body of the request that exchanges a code for an access token.
std::string token_request(const AuthorizationRequest& request, std::string_view code,
                          const Secret& client_secret);

/// Returns the body of the request that revokes an access token (RFC 7009).
std::string revocation_request(std::string_view client_id, const Secret& client_secret,
                               const Secret& access_token);

/// A 200 answer of the token endpoint.
struct AccessGrant {
    Secret access_token;
    std::vector<std::string> scopes;  ///< the requested ones if the server names none
    bool has_refresh_token = false;   ///< the server sent one unasked; it is not kept
};
/// Parses the answer: JSON, or form-encoded from servers that ignore Accept.
Result<AccessGrant> read_access_grant(std::string_view body, const std::string& asked_scopes);

/// A refusal of the token endpoint.
struct TokenRefusal {
    std::string code;         ///< "invalid_grant"; empty: not an OAuth answer
    std::string text;         ///< what happened and what to do, safe to print
    bool wrong_code = false;  ///< another code may be accepted
};
/// Parses the refusal. `secrets` are removed from its text.
TokenRefusal read_token_refusal(int status, std::string_view body,
                                const std::vector<Secret>& secrets);

/// Returns the required scopes that were not granted, as "a, b"; empty if all were. `profile` is
/// not required: it is only needed to show the user's name.
std::string missing_scopes(const std::string& asked, const std::vector<std::string>& granted);

}  // namespace flowrelay::client
