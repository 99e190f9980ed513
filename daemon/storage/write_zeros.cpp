#include "write_zeros.hpp"

#include <algorithm>
#include <span>
#include <vector>

namespace flowrelay::storage {

Result<void> write_zeros(File& file, std::uint64_t offset, std::uint64_t bytes) {
    constexpr std::uint64_t at_once = 256 * 1024;
    const std::vector<std::uint8_t> zeros(std::min(bytes, at_once));
    for (const std::uint64_t end = offset + bytes; offset < end; offset += zeros.size()) {
        const auto part = std::min<std::uint64_t>(zeros.size(), end - offset);
        auto done = file.write_at(offset, std::span(zeros).first(part));
        if (done.has_error()) return done;
    }
    return {};
}

void write_ahead(Segment& segment, std::uint64_t end) {
    constexpr std::uint64_t ahead = 1024 * 1024;
    if (end <= segment.written) return;
    segment.written = std::min(end + ahead, segment.size);
    // An error is ignored: commits write what they need themselves.
    if (write_zeros(*segment.file, end, segment.written - end).has_error()) {
        segment.written = segment.size;
    }
}

}  // namespace flowrelay::storage
