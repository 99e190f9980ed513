// Feeds a reader as a connection would.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace flowrelay::http {

/// Feeds `bytes` in pieces of `piece` bytes until the reader takes no more. Returns how many were
/// consumed.
template <class Reader>
std::size_t put_in_pieces(Reader& reader, std::string_view bytes, std::size_t piece) {
    std::size_t used = 0;
    while (used < bytes.size()) {
        const std::string_view next = bytes.substr(used, piece);
        const std::size_t n = reader.put(next);
        used += n;
        if (n < next.size()) break;
    }
    return used;
}

}  // namespace flowrelay::http
