// Server side: responses as bytes.
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
    std::vector<std::pair<std::string_view, std::string>> fields;  ///< further header fields
    std::string body;
    bool keep_alive = true;
    bool head_only = false;  ///< the answer to HEAD: Content-Length of the body, no body
    int minor_version = 1;   ///< of the request: an HTTP/1.0 client is told that keep_alive holds
};

/// For results; see throw_no_value().
[[noreturn]] inline void throw_exception_from_error(const Response&,
                                                    const boost::source_location&) {
    throw_no_value();
}

/// Appends the response with Content-Length, and Connection where it matters: "close" if not
/// keep_alive, "keep-alive" towards HTTP/1.0. Content-Type only with a body. 204 and 304 have
/// neither body nor Content-Length. Throws std::invalid_argument, and appends nothing, if
/// a field's name is no token or a value has a control character (CR LF): that is a bug, or an
/// attempt to inject a field.
void append_response(std::string& out, const Response& response);

/// "HTTP/1.1 100 Continue" and the empty line.
std::string_view continue_response() noexcept;

}  // namespace flowrelay::http
