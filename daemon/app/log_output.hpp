// Writes lines to a descriptor without ever waiting for the reader.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace flowrelay::app {

/// Owned by one thread at a time.
class LogOutput {
public:
    /// `fd` remains the caller's and outlives this object. Does not change its flags, which other
    /// processes may share.
    explicit LogOutput(int fd);
    /// Waits briefly for buffered lines to be written.
    ~LogOutput();
    LogOutput(const LogOutput&) = delete;
    LogOutput& operator=(const LogOutput&) = delete;

    /// Writes a line, or buffers it until the next call if the reader does not read. Returns false
    /// if the buffer is full and the line is lost.
    bool write(std::string_view line) noexcept;

private:
    static constexpr std::size_t max_pending = 64 * 1024;

    bool flush() noexcept;
    std::size_t write_some(std::string_view text) const noexcept;

    int fd_;
    int own_fd_ = -1;  ///< the same pipe or terminal, opened again as non-blocking
    bool is_socket_ = false;
    std::string pending_;
};

}  // namespace flowrelay::app
