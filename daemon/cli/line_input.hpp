// Reads lines that a user types, while also waiting for other descriptors.
#pragma once

#include <optional>
#include <string>

namespace flowrelay::cli {

/// Reads lines from a descriptor, which the caller owns. Used by one thread.
class LineInput {
public:
    explicit LineInput(int fd) noexcept : fd_(fd) {}

    /// Returns the descriptor to wait for with poll(2); -1 after the end of the input.
    int descriptor() const noexcept { return ended_ ? -1 : fd_; }

    /// Reads what is available; blocks if nothing is. Returns false at the end of the input.
    bool read_some();

    /// Returns the next whole line without its line break. The last line need not have one.
    std::optional<std::string> take_line();

    /// Waits for the next line. Returns nothing if the input ended or the descriptor `interrupted`
    /// became readable.
    std::optional<std::string> wait_for_line(int interrupted);

private:
    int fd_;
    std::string buffer_;
    bool ended_ = false;
};

}  // namespace flowrelay::cli
