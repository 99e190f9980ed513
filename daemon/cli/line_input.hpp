// Lines that somebody types, waited for beside other things.
#pragma once

#include <optional>
#include <string>

namespace flowrelay::cli {

/// Reads lines of a descriptor, which stays the caller's. One thread.
class LineInput {
public:
    explicit LineInput(int fd) noexcept : fd_(fd) {}

    /// To be waited for with poll(2); -1 once nothing more can come.
    int descriptor() const noexcept { return ended_ ? -1 : fd_; }

    /// Reads what is there; blocks if nothing is. False: the end was reached before, or now.
    bool read_some();

    /// The next whole line without its end; at the end of input also one without a line break.
    std::optional<std::string> take_line();

    /// The next line, waited for. Nothing: the input ended, or `interrupted` (a descriptor) became
    /// readable.
    std::optional<std::string> wait_for_line(int interrupted);

private:
    int fd_;
    std::string buffer_;
    bool ended_ = false;
};

}  // namespace flowrelay::cli
