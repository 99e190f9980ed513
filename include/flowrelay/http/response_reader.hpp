// Client side: bytes in, one response out (RFC 9112). No I/O; wraps Beast's parser, driven by
// put(). Belongs to one connection and one thread.
//
// For requests other than HEAD and CONNECT. A Transfer-Encoding other than a single "chunked", or
// beside a Content-Length, makes the response broken. Bytes that follow a complete response answer
// nothing that was asked: then the connection may not be used again, whatever keep_alive() says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace flowrelay::http {

struct ResponseLimits {
    std::uint32_t head = 64 * 1024;
    std::uint64_t body = 256 * 1024;    ///< more is read past and cut, up to `drain`
    std::uint64_t drain = 1024 * 1024;  ///< beyond this the response counts as broken
};

enum class ResponseStatus { need_more, complete, broken };

class ResponseReader {
public:
    /// `wanted`: the names of the fields that field() will be asked for; the others are checked and
    /// passed over. Empty: all are kept. The array outlives the reader.
    explicit ResponseReader(ResponseLimits limits, std::span<const std::string_view> wanted = {});
    ~ResponseReader();
    ResponseReader(ResponseReader&&) noexcept;
    ResponseReader& operator=(ResponseReader&&) noexcept;

    /// Takes bytes; gives how many were consumed: all, unless the response became complete or
    /// broken. Interim (1xx) responses are passed over; a 101 is broken.
    std::size_t put(std::string_view bytes);

    /// The connection ended: completes a body without a length, breaks everything else.
    void put_end();

    ResponseStatus status() const noexcept;
    bool started() const noexcept;            ///< any byte has been seen
    std::string_view error() const noexcept;  ///< why it is broken: "the head is too long"

    /// The head of a response is there that is not interim: code(), field() and what there is of
    /// body() may be used, whatever becomes of the rest.
    bool has_head() const noexcept;
    bool body_is_too_long() const noexcept;  ///< nothing else is wrong with it

    int code() const;
    bool keep_alive() const;  ///< whether the connection may carry another request
    /// The first of this name, or empty; of the wanted ones.
    std::string_view field(std::string_view name) const;
    std::string_view body() const;  ///< cut at limits.body

    /// For the next response on the connection: cheaper than a new reader, its memory is used
    /// again.
    void reset();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::http
