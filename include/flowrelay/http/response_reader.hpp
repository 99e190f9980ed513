// Client side: bytes in, one response out (RFC 9112). No I/O. Belongs to one connection and one
// thread.
//
// Tolerant: of a response only the status, the fields that are asked for and where it ends matter.
// What else is not as HTTP has it (bare LF, a Content-Length beside "chunked", folded fields, a
// blank where none belongs ...) is a quirk(), with which the connection may not be used again.
// Where the end can't be told, or the body is not framed as the head says, end_is_unclear().
//
// Bytes that follow a complete response answer nothing that was asked: then the connection may not
// be used again either, whatever keep_alive() says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace flowrelay::http {

struct ResponseLimits {
    std::uint32_t head = 256 * 1024;    ///< those of interim responses before it included
    std::uint64_t body = 256 * 1024;    ///< more is read past and cut, up to `drain`
    std::uint64_t drain = 1024 * 1024;  ///< beyond this the response counts as broken
};

enum class ResponseStatus { need_more, complete, broken };

/// What is answered: a response to CONNECT ends with its head.
enum class ResponseTo { post, connect };

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
    /// The head is whole, and says two things about where the body ends, or another than the body.
    /// Whether the response was cut off can't be told.
    bool end_is_unclear() const noexcept;
    /// The first thing that is not as HTTP has it: "lines end with LF alone"; or empty.
    std::string_view quirk() const noexcept;

    int code() const;
    bool keep_alive() const;  ///< whether the connection may carry another request
    /// The first of this name, or empty; of the wanted ones.
    std::string_view field(std::string_view name) const;
    /// All of this name as one list, "5, 7" (RFC 9110, section 5.3); of the wanted ones.
    std::string joined_field(std::string_view name) const;
    std::string_view body() const;        ///< cut at limits.body; empty if it is compressed
    bool body_is_coded() const noexcept;  ///< there is one, and it is compressed

    /// For the next response on the connection: cheaper than a new reader, its memory is used
    /// again.
    void reset(ResponseTo request = ResponseTo::post);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::http
