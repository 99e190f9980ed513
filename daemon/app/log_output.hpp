// Writes lines to a descriptor without ever waiting for whoever reads them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flowrelay::app {

/// Owned by one thread at a time.
class LogOutput {
public:
    /// `fd` stays the caller's and outlives this object. Its flags, which other processes may
    /// share, are left alone.
    explicit LogOutput(int fd);
    /// Gives what still waits a moment to go out.
    ~LogOutput();
    LogOutput(const LogOutput&) = delete;
    LogOutput& operator=(const LogOutput&) = delete;

    /// Writes a line, or keeps it until the next call when the reader does not read. False: as many
    /// lines are kept as may be, and this one is lost.
    bool write(std::string_view line) noexcept;

private:
    static constexpr std::size_t max_pending = 64 * 1024;

    bool flush() noexcept;
    std::size_t write_some(std::string_view text) const noexcept;

    int fd_;
    int own_fd_ = -1;  ///< a description of the same pipe or terminal that does not block
    bool is_socket_ = false;
    std::string pending_;
};

}  // namespace flowrelay::app
