#include "cli/line_reader.hpp"

namespace flowrelay::cli {

void LineReader::put(std::string_view bytes) {
    buffer_.erase(0, begin_);
    searched_ -= begin_;
    begin_ = 0;
    buffer_ += bytes;
}

std::optional<Line> LineReader::next() {
    for (;;) {
        const std::size_t end = buffer_.find('\n', searched_);
        const bool whole = end != std::string::npos;
        if (!whole && !(ended_ && buffered() > 0)) {
            searched_ = buffer_.size();
            if (buffered() > max_length_) {
                skipping_ = true;
                consumed_ += buffered();
                begin_ = searched_ = buffer_.size();
            }
            if (!ended_ || !skipping_) return std::nullopt;
        }
        const std::size_t stop = whole ? end : buffer_.size();
        std::string_view text = std::string_view(buffer_).substr(begin_, stop - begin_);
        const std::size_t after = whole ? end + 1 : stop;
        consumed_ += after - begin_;
        begin_ = searched_ = after;
        ++number_;
        const bool too_long = skipping_ || text.size() > max_length_;
        skipping_ = false;
        if (too_long) return Line{{}, number_, consumed_, true};
        if (text.ends_with('\r')) text.remove_suffix(1);
        if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        return Line{text, number_, consumed_, false};
    }
}

}  // namespace flowrelay::cli
