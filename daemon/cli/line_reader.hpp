// Lines out of chunks of bytes. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flowrelay::cli {

/// Longer than any answer of the daemon to a line.
inline constexpr std::size_t longest_answer = 1 << 20;

/// A line that has something in it.
struct Line {
    std::string_view text;     ///< without the line break; valid until the next call
    std::uint64_t number = 0;  ///< from 1, blank lines counted
    std::uint64_t end = 0;     ///< how many bytes of the input are read with this line
    bool too_long = false;     ///< `text` is empty
};

class LineReader {
public:
    /// Lines of more than `max_length` bytes are read past.
    explicit LineReader(std::size_t max_length) : max_length_(max_length) {}

    void put(std::string_view bytes);

    /// There are no more bytes: what is left is the last line.
    void put_end() noexcept { ended_ = true; }
    bool ended() const noexcept { return ended_; }

    /// The next whole line that is not blank.
    std::optional<Line> next();

    /// Bytes that wait to be taken.
    std::size_t buffered() const noexcept { return buffer_.size() - begin_; }

    std::uint64_t last_number() const noexcept { return number_; }

private:
    std::size_t max_length_;
    std::string buffer_;
    std::size_t begin_ = 0;     ///< of the next line in the buffer
    std::size_t searched_ = 0;  ///< from here on a line break may be
    bool skipping_ = false;     ///< in a line that is too long
    bool ended_ = false;
    std::uint64_t number_ = 0;
    std::uint64_t consumed_ = 0;
};

}  // namespace flowrelay::cli
