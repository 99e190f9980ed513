// Client side: parses one response (RFC 9112). No I/O. Belongs to one connection and one thread.
//
// Tolerant: only the status, the requested fields and the end of the response matter. Any other
// violation of HTTP (bare LF, a Content-Length beside "chunked", folded fields, misplaced white
// space ...) is a quirk(); the connection must then not be reused. end_is_unclear() if the end
// can't be determined, or the body is not framed as the head says.
//
// Bytes that follow a complete response belong to no request. The connection must then not be
// reused either, whatever keep_alive() returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace flowrelay::http {

struct ResponseLimits {
    std::uint32_t head = 256 * 1024;    ///< including the heads of interim responses before it
    std::uint64_t body = 256 * 1024;    ///< more is read and discarded, up to `drain`
    std::uint64_t drain = 1024 * 1024;  ///< a longer body makes the response broken
};

enum class ResponseStatus { need_more, complete, broken };

/// The request that is answered. A response to CONNECT ends with its head.
enum class ResponseTo { post, connect };

class ResponseReader {
public:
    /// `wanted`: names of the fields that field() can return; others are checked and not stored.
    /// Empty: all are stored. The array must outlive the reader.
    explicit ResponseReader(ResponseLimits limits, std::span<const std::string_view> wanted = {});
    ~ResponseReader();
    ResponseReader(ResponseReader&&) noexcept;
    ResponseReader& operator=(ResponseReader&&) noexcept;

    /// Parses bytes. Returns how many were consumed: all, unless the response became complete or
    /// broken. Skips interim (1xx) responses; a 101 is broken.
    std::size_t put(std::string_view bytes);

    /// Tells the reader that the connection ended. This completes a body without a length, and
    /// breaks any other incomplete response.
    void put_end();

    ResponseStatus status() const noexcept;
    bool started() const noexcept;            ///< whether any byte was received
    std::string_view error() const noexcept;  ///< why it is broken: "the head is too long"

    /// Whether the head of a response that is not interim was received. If so, code(), field() and
    /// the part of body() received so far may be used, whatever happens to the rest.
    bool has_head() const noexcept;
    /// Whether the response is broken only because its body exceeds limits.drain.
    bool body_is_too_long() const noexcept;
    /// Whether the head is complete but contradicts itself or the body about where the body ends.
    /// It is then unknown whether the response was cut off.
    bool end_is_unclear() const noexcept;
    /// The first violation of HTTP in the response: "lines end with LF alone"; empty if there is
    /// none.
    std::string_view quirk() const noexcept;

    int code() const;
    bool keep_alive() const;  ///< whether the connection may be reused
    /// Returns the value of the first field with this name, which must be a wanted one; empty if
    /// there is none.
    std::string_view field(std::string_view name) const;
    /// Returns the values of all fields with this name as one list, "5, 7" (RFC 9110, section 5.3).
    /// The name must be a wanted one.
    std::string joined_field(std::string_view name) const;
    std::string_view body() const;        ///< cut at limits.body; empty if it is compressed
    bool body_is_coded() const noexcept;  ///< the response has a compressed body

    /// Prepares for the next response on the connection. Cheaper than a new reader: reuses memory.
    void reset(ResponseTo request = ResponseTo::post);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::http
