// Server side: bytes in, requests out. No I/O; wraps Beast's parser, driven by put().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"

namespace flowrelay::http {

struct RequestLimits {
    std::uint32_t head = 16 * 1024;      ///< bytes of request line and header fields
    std::uint64_t body = 1024 * 1024;    ///< bytes of the decoded body
};

enum class ReadStatus {
    need_more,   ///< the request is not complete
    complete,    ///< request() may be used
    bad_request, ///< not HTTP/1.x: answer 400 and close
    head_too_large,  ///< answer 431 and close
    body_too_large,  ///< answer 413 and close
};

/// A complete request; the views live until the reader's next reset().
struct Request {
    std::string_view method;        ///< "POST"
    std::string_view path;          ///< of the target, before '?'
    std::string_view query;         ///< after '?', still percent-encoded; may be empty
    std::string_view content_type;  ///< lower case media type without parameters; may be empty
    std::string_view body;
    bool keep_alive = true;
};

class RequestReader {
public:
    explicit RequestReader(RequestLimits limits);
    ~RequestReader();

    /// Takes bytes; gives how many were consumed (all, unless the request became complete or bad:
    /// what follows is the next request's). `status()` tells how things stand.
    std::size_t put(std::string_view bytes);

    ReadStatus status() const noexcept;

    /// The head is complete, the body is not, and the client waits for "100 Continue". True once.
    bool take_expects_continue() noexcept;

    /// Any byte of the current request has been seen.
    bool started() const noexcept;

    const Request& request() const;

    /// Value of a header field of the complete request, or an empty view.
    std::string_view field(std::string_view name) const;

    /// For the next request on the connection.
    void reset();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// One query parameter, percent-decoded ("+" is a space); empty if absent. The first counts.
std::string query_parameter(std::string_view query, std::string_view name);

}  // namespace flowrelay::http
