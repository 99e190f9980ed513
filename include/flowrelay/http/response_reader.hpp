// Client side: bytes in, one response out. No I/O; wraps Beast's parser, driven by put(). One
// reader for one response.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace flowrelay::http {

struct ResponseLimits {
    std::uint32_t head = 64 * 1024;
    std::uint64_t body = 256 * 1024;  ///< more is read past and cut, up to `drain`
    std::uint64_t drain = 1024 * 1024; ///< beyond this the response counts as broken
};

enum class ResponseStatus { need_more, complete, broken };

class ResponseReader {
public:
    explicit ResponseReader(ResponseLimits limits);
    ~ResponseReader();

    /// Takes bytes; gives how many were consumed. Interim (1xx) responses are passed over; a 101 is
    /// broken.
    std::size_t put(std::string_view bytes);

    /// The connection ended: completes a body without a length, breaks everything else.
    void put_end();

    ResponseStatus status() const noexcept;
    bool started() const noexcept;      ///< any byte has been seen
    std::string_view error() const noexcept;  ///< why it is broken

    int code() const;                   ///< of a complete response
    bool keep_alive() const;            ///< whether the connection may carry another request
    std::string_view field(std::string_view name) const;
    std::string_view body() const;      ///< cut at limits.body

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::http
