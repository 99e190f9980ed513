// Server side: writes responses.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"

namespace flowrelay::http {

struct Response {
    int status = 200;
    std::string_view content_type = "application/json";
    std::vector<std::pair<std::string_view, std::string>> fields;  ///< more header fields
    std::string body;
    bool keep_alive = true;
    bool head_only = false;  ///< for HEAD: Content-Length of the body, but no body
    /// Minor version of the request: an HTTP/1.0 client is told explicitly of keep_alive.
    int minor_version = 1;
};

/// Required by Boost for results with this error type; see throw_no_value().
[[noreturn]] inline void throw_exception_from_error(const Response&,
                                                    const boost::source_location&) {
    throw_no_value();
}

/// Appends the response with Content-Length, and with Connection where needed: "close" if not
/// keep_alive, "keep-alive" for HTTP/1.0. Content-Type is sent only with a body. 204 and 304 have
/// neither body nor Content-Length. Throws std::invalid_argument and appends nothing if the status
/// is not from 200 to 599, a field's name is not a token, or a value has a control character (CR
/// LF): a bug, or an attempt to inject a field.
void append_response(std::string& out, const Response& response);

/// Returns "HTTP/1.1 100 Continue" and the empty line.
std::string_view continue_response() noexcept;

}  // namespace flowrelay::http
