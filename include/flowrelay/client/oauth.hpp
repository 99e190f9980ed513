// What is said to an OAuth 2.0 server for an access token, and how its answers are read: the
// authorization code grant (RFC 6749) with PKCE (RFC 7636). Pure but for random_word().
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::client {

/// This many bytes of the kernel's generator, in letters, digits, "-" and "_". Throws
/// std::runtime_error when there is none.
std::string random_word(std::size_t bytes);

/// The code_challenge of a code_verifier, method S256.
std::string pkce_challenge(std::string_view verifier);

/// One authorization that is under way. Not kept: it is bound to this process.
struct AuthorizationRequest {
    std::string authorize_url;
    std::string client_id;
    std::string redirect_uri;
    std::string scopes;    ///< separated by spaces
    std::string state;     ///< who knows it was sent here by this request
    std::string verifier;  ///< only its challenge is shown
};

/// The address that people open in a browser.
std::string authorization_url(const AuthorizationRequest& request);

/// What came back from the server by way of the browser.
struct Grant {
    enum class Kind {
        code,     ///< `text` is the code
        refused,  ///< `text` says what the server or the person said
        foreign,  ///< not an answer to this request; `text` says why
    };
    Kind kind = Kind::foreign;
    std::string text;
};

/// Reads the query of a request for the callback. Only one with the state of the request counts,
/// and only from the server itself, if it says who it is (`iss`, RFC 9207).
Grant read_callback(std::string_view query, const AuthorizationRequest& request);

/// Reads what somebody pasted: the code alone, or the whole address of the page that the browser
/// ended up at. An address without a state is taken only when the server shows the code itself.
Grant read_pasted(std::string_view text, const AuthorizationRequest& request);

/// The body of the request that exchanges a code for an access token, form-encoded.
std::string token_request(const AuthorizationRequest& request, std::string_view code,
                          const Secret& client_secret);

/// The body of the request that gives an access token back (RFC 7009).
std::string revocation_request(std::string_view client_id, const Secret& client_secret,
                               const Secret& access_token);

/// What the token endpoint answered with 200.
struct AccessGrant {
    Secret access_token;
    std::vector<std::string> scopes;  ///< those that were asked for if the server names none
    bool has_refresh_token = false;   ///< it was not asked for, and is not kept
};
/// `body`: JSON, or form-encoded as servers do that disregard Accept.
Result<AccessGrant> read_access_grant(std::string_view body, const std::string& asked_scopes);

/// What the token endpoint says when it refuses.
struct TokenRefusal {
    std::string code;         ///< "invalid_grant"; empty: the answer is not OAuth's
    std::string text;         ///< what happened and what to do, fit to print
    bool wrong_code = false;  ///< another code may do
};
/// `secrets`: what must not be repeated.
TokenRefusal read_token_refusal(int status, std::string_view body,
                                const std::vector<Secret>& secrets);

/// The scopes that are needed and were not granted, as "a, b"; empty if all were. `profile` is not
/// needed: it only shows who somebody is.
std::string missing_scopes(const std::string& asked, const std::vector<std::string>& granted);

}  // namespace flowrelay::client
