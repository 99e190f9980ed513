// Parses the body of an error response, in the format of the API:
// {"message": "Validation error", "errors": {"content": ["can't be blank"]}}. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "flowrelay/base/secret.hpp"

namespace flowrelay::core {

struct ServerMessage {
    std::string message;  ///< one line of at most 500 bytes; empty if there is none
    std::string errors;   ///< the `errors` member as JSON, at most 4096 bytes; or empty
};

/// Parses the body of an error response. For an HTML page, the message is its title, even if other
/// text comes first; for a problem (RFC 9457), its title and detail; for a compressed or binary
/// body, empty. For any other text, it is the beginning. The result is always valid UTF-8.
/// "[token]" replaces the token, the proxy's authorization, and parts of them.
ServerMessage read_server_message(std::string_view body, const Secret& token,
                                  const Secret& proxy_authorization = Secret());

/// Returns "redirects to https://api.example.com/messages", without secrets like
/// read_server_message(); empty without a `location`.
std::string describe_redirect(std::string_view location, const Secret& token,
                              const Secret& proxy_authorization);

}  // namespace flowrelay::core
