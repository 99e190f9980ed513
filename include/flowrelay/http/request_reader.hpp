// Server side: parses requests (RFC 9112). No I/O; wraps Beast's parser, driven by put().
//
// Stricter than Beast where two readers of the same bytes could disagree on where a request ends.
// These are all bad_request: more than one Content-Length, or one beside Transfer-Encoding; any
// Transfer-Encoding other than a single "chunked", or in HTTP/1.0; a missing (1.1) or second Host;
// bare LF. So is a request line without a version, as soon as the line has ended. Empty lines
// before a request line are skipped. Trailer fields are read and ignored.
//
// A reader belongs to one connection and one thread; it reuses its memory for each request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "flowrelay/http/field.hpp"

namespace flowrelay::http {

struct RequestLimits {
    std::uint32_t head = 16 * 1024;    ///< max bytes of request line and header fields
    std::uint64_t body = 1024 * 1024;  ///< max bytes of the decoded body
};

enum class ReadStatus {
    need_more,       ///< the request is not complete yet
    complete,        ///< request() may be called
    bad_request,     ///< not HTTP/1.x: answer 400 and close
    head_too_large,  ///< answer 431 and close
    body_too_large,  ///< answer 413 and close
};

/// A complete request. Its views are valid until the reader's next reset().
struct Request {
    std::string_view method;        ///< "POST"
    std::string_view path;          ///< path of the target (also of an absolute URI), before '?'
    std::string_view query;         ///< what follows '?', still percent-encoded; may be empty
    std::string_view content_type;  ///< lower case media type without parameters; may be empty
    std::string_view body;
    bool keep_alive = true;  ///< the client allows another request on the connection
    int minor_version = 1;   ///< 1: HTTP/1.1, 0: HTTP/1.0; pass it on to Response::minor_version
};

class RequestReader {
public:
    explicit RequestReader(RequestLimits limits);
    ~RequestReader();
    RequestReader(RequestReader&&) noexcept;
    RequestReader& operator=(RequestReader&&) noexcept;

    /// Parses bytes and updates status(). Returns how many were consumed: all, unless the request
    /// became complete or bad, as the rest belongs to the next request. Consumes nothing while
    /// status() is not need_more, until reset().
    std::size_t put(std::string_view bytes);

    ReadStatus status() const noexcept;

    /// Says in a sentence what is wrong with a request whose status is bad_request, and what to do.
    std::string_view problem() const noexcept;

    /// Bytes received so far of the current request's body.
    std::size_t body_bytes() const noexcept;

    /// Returns true if the head is complete, the body is not, and the client waits for "100
    /// Continue". Returns true only once per request.
    bool take_expects_continue() noexcept;

    /// Whether any byte of the current request was received. Empty lines before it do not count.
    bool started() const noexcept;

    /// Returns the complete request. Precondition: status() is complete.
    const Request& request() const;

    /// Returns the value of the first header field with this name of the complete request, or an
    /// empty view.
    std::string_view field(std::string_view name) const;

    /// Returns all header fields of the complete request, in the order received.
    std::span<const Field> fields() const;

    /// Prepares for the next request on the connection.
    void reset();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Returns the first query parameter with this name, percent-decoded ("+" is a space); empty if
/// there is none.
std::string query_parameter(std::string_view query, std::string_view name);

}  // namespace flowrelay::http
