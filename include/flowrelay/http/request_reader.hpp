// Server side: bytes in, requests out (RFC 9112). No I/O; wraps Beast's parser, driven by put().
//
// Stricter than Beast where two readers of the same bytes could disagree on where a request ends:
// Content-Length more than once or beside Transfer-Encoding, any Transfer-Encoding but a single
// "chunked" or in HTTP/1.0, a missing (1.1) or second Host, bare LF. All of these are bad_request,
// and so is a request line without a version, as soon as it has ended.
// Empty lines before a request line are passed over. Trailer fields are read past and ignored.
//
// A reader belongs to one connection and one thread; its memory is used again for each request.
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
    std::uint32_t head = 16 * 1024;    ///< bytes of request line and header fields
    std::uint64_t body = 1024 * 1024;  ///< bytes of the decoded body
};

enum class ReadStatus {
    need_more,       ///< the request is not complete
    complete,        ///< request() may be used
    bad_request,     ///< not HTTP/1.x: answer 400 and close
    head_too_large,  ///< answer 431 and close
    body_too_large,  ///< answer 413 and close
};

/// A complete request; the views live until the reader's next reset().
struct Request {
    std::string_view method;        ///< "POST"
    std::string_view path;          ///< of the target, before '?'; of an absolute URI its path
    std::string_view query;         ///< after '?', still percent-encoded; may be empty
    std::string_view content_type;  ///< lower case media type without parameters; may be empty
    std::string_view body;
    bool keep_alive = true;  ///< the client allows another request on the connection
    int minor_version = 1;   ///< HTTP/1.1 or HTTP/1.0: give it to Response::minor_version
};

class RequestReader {
public:
    explicit RequestReader(RequestLimits limits);
    ~RequestReader();
    RequestReader(RequestReader&&) noexcept;
    RequestReader& operator=(RequestReader&&) noexcept;

    /// Takes bytes; gives how many were consumed (all, unless the request became complete or bad:
    /// what follows is the next request's). `status()` tells how things stand. Once that is not
    /// need_more, nothing is consumed until reset().
    std::size_t put(std::string_view bytes);

    ReadStatus status() const noexcept;

    /// What is wrong with a request whose status is bad_request, and what to do: a sentence.
    std::string_view problem() const noexcept;

    /// Bytes of the current request's body that have come.
    std::size_t body_bytes() const noexcept;

    /// The head is complete, the body is not, and the client waits for "100 Continue". True once.
    bool take_expects_continue() noexcept;

    /// Any byte of the current request has been seen (an empty line before it does not count).
    bool started() const noexcept;

    /// The complete request. Precondition: status() is complete.
    const Request& request() const;

    /// Value of a header field of the complete request, or an empty view. The first counts.
    std::string_view field(std::string_view name) const;

    /// All header fields of the complete request, in the order in which they came.
    std::span<const Field> fields() const;

    /// For the next request on the connection.
    void reset();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// One query parameter, percent-decoded ("+" is a space); empty if absent. The first counts.
std::string query_parameter(std::string_view query, std::string_view name);

}  // namespace flowrelay::http
