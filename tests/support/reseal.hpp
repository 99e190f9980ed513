// Forges records: changed bytes with correct checksums.
#pragma once

#include <cstdint>
#include <span>

#include "flowrelay/base/bytes.hpp"
#include "storage/record.hpp"

namespace flowrelay::test {

/// Corrects the checksums of the record at the beginning of `bytes`: that of the header, and that
/// of the payload if all of it is there.
inline void reseal_record(std::span<std::uint8_t> bytes, std::uint32_t salt) {
    using storage::record_header_size;
    if (bytes.size() < record_header_size) return;
    const auto length = load_le<std::uint32_t>(bytes.data() + 8);
    if (length <= bytes.size() - record_header_size) {
        store_le(bytes.data() + 4, crc32c(bytes.subspan(record_header_size, length), salt));
    }
    store_le(bytes.data(), crc32c(bytes.subspan(4, record_header_size - 4), salt));
}

}  // namespace flowrelay::test
