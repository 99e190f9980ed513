// What a server says about an error, in the API's shape:
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

/// Reads the body of an error response. The message of a page for people is its title, also where
/// something else was said in front of it, that of a problem (RFC 9457) its title and detail, that
/// of a compressed or binary body nothing. Of anything else than JSON of these shapes the beginning
/// is the message. All is UTF-8, whatever the server sent. Where it repeats the token or what the
/// proxy is told, or a piece of them, "[token]" stands instead.
ServerMessage read_server_message(std::string_view body, const Secret& token,
                                  const Secret& proxy_authorization = Secret());

/// Where a redirect leads to: "redirects to https://api.example.com/messages", fit for a log as
/// above. Nothing without a `location`.
std::string describe_redirect(std::string_view location, const Secret& token,
                              const Secret& proxy_authorization);

}  // namespace flowrelay::core
