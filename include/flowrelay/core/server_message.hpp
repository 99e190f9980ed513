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

/// Reads the body of an error response. Anything else than JSON of that shape gives the beginning
/// of its text as the message, or nothing if that is not readable. Where the server repeats the
/// token, "[token]" stands in its place.
ServerMessage read_server_message(std::string_view body, const Secret& token);

}  // namespace flowrelay::core
