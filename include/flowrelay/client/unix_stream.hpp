// A connection to the daemon. Every call ends at a point in time that the caller sets.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::client {

/// Owned by one thread.
class UnixStream {
public:
    /// What connect() does when nobody listens.
    enum class Absent {
        fails,  ///< returns the error at once
        waits,  ///< tries again until the deadline: the daemon may be restarting
    };

    /// Errors have the errno of connect(2), or errc::timed_out; the message names the path.
    static Result<UnixStream> connect(const std::string& path, MonoTime deadline,
                                      Absent absent = Absent::fails);

    UnixStream(UnixStream&& other) noexcept;
    UnixStream& operator=(UnixStream&& other) noexcept;
    ~UnixStream();

    /// For poll(2). Does not block.
    int descriptor() const noexcept { return fd_; }

    /// What can be written or read at once. `would_block` when that is nothing; reading gives 0 at
    /// the end of the stream.
    Result<std::size_t> write_some(std::string_view bytes);
    Result<std::size_t> read_some(std::span<char> out);

    /// Waits where the others do not.
    Result<void> write_all(std::string_view bytes, MonoTime deadline);
    Result<std::size_t> read(std::span<char> out, MonoTime deadline);

private:
    explicit UnixStream(int fd) noexcept : fd_(fd) {}
    Result<void> wait(short events, MonoTime deadline) const;

    int fd_ = -1;
};

/// The time that is left until then, for poll(2): 0 when it has passed.
int milliseconds_until(MonoTime deadline);

}  // namespace flowrelay::client
