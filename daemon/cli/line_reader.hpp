// Splits chunks of bytes into lines. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flowrelay::cli {

/// Maximum length of an answer line. The daemon's answers are all shorter.
inline constexpr std::size_t longest_answer = 1 << 20;

/// A line that is not blank.
struct Line {
    std::string_view text;     ///< without the line break; valid until the next call
    std::uint64_t number = 0;  ///< from 1, counting blank lines
    std::uint64_t end = 0;     ///< bytes of input up to the end of this line
    bool too_long = false;     ///< `text` is empty
};

class LineReader {
public:
    /// Lines of more than `max_length` bytes are skipped and reported as too long.
    explicit LineReader(std::size_t max_length) : max_length_(max_length) {}

    void put(std::string_view bytes);

    /// Ends the input. What remains is the last line.
    void put_end() noexcept { ended_ = true; }
    bool ended() const noexcept { return ended_; }

    /// Returns the next whole line that is not blank.
    std::optional<Line> next();

    /// Returns the number of bytes not returned as lines yet.
    std::size_t buffered() const noexcept { return buffer_.size() - begin_; }

    std::uint64_t last_number() const noexcept { return number_; }

private:
    std::size_t max_length_;
    std::string buffer_;
    std::size_t begin_ = 0;     ///< start of the next line in the buffer
    std::size_t searched_ = 0;  ///< no line break before this place
    bool skipping_ = false;     ///< in a line that is too long
    bool ended_ = false;
    std::uint64_t number_ = 0;
    std::uint64_t consumed_ = 0;
};

}  // namespace flowrelay::cli
