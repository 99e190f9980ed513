// Server side: responses as bytes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowrelay::http {

struct Response {
    int status = 200;
    std::string_view content_type = "application/json";
    std::vector<std::pair<std::string_view, std::string>> fields;  ///< further header fields
    std::string body;
    bool keep_alive = true;
    bool head_only = false;  ///< the answer to HEAD: Content-Length of the body, no body
};

/// Appends the response with Content-Length, and Connection where it matters.
void append_response(std::string& out, const Response& response);

/// "HTTP/1.1 100 Continue" and the empty line.
std::string_view continue_response() noexcept;

}  // namespace flowrelay::http
