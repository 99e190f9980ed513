// A connection to the daemon over a Unix socket, with deadlines.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::client {

/// Used by one thread.
class UnixStream {
public:
    /// What connect() does if nothing listens on the socket.
    enum class Absent {
        fails,  ///< returns the error at once
        waits,  ///< tries again until the deadline: the daemon may be restarting
    };

    /// Connects to `path`. Error: the errno of connect(2), or errc::timed_out; the message names
    /// the path.
    static Result<UnixStream> connect(const std::string& path, MonoTime deadline,
                                      Absent absent = Absent::fails);

    UnixStream(UnixStream&& other) noexcept;
    UnixStream& operator=(UnixStream&& other) noexcept;
    ~UnixStream();

    /// Returns the descriptor, for poll(2). It is non-blocking.
    int descriptor() const noexcept { return fd_; }

    /// Writes or reads as much as is possible without waiting, and returns the number of bytes.
    /// Error: `would_block` if that is none. read_some() returns 0 at the end of the stream.
    Result<std::size_t> write_some(std::string_view bytes);
    Result<std::size_t> read_some(std::span<char> out);

    /// Like write_some() and read_some(), but wait until the deadline. write_all() writes
    /// everything.
    Result<void> write_all(std::string_view bytes, MonoTime deadline);
    Result<std::size_t> read(std::span<char> out, MonoTime deadline);

private:
    explicit UnixStream(int fd) noexcept : fd_(fd) {}
    Result<void> wait(short events, MonoTime deadline) const;

    int fd_ = -1;
};

/// Returns the time until the deadline, for poll(2); 0 if it has passed.
int milliseconds_until(MonoTime deadline);

}  // namespace flowrelay::client
