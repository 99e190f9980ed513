#include "flowrelay/base/bytes.hpp"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace flowrelay {

namespace {

constexpr std::uint32_t reflected_polynomial = 0x82F63B78;

// tables[k][b] is the checksum of byte b followed by k zero bytes ("slicing by 8").
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
    Tables tables{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? reflected_polynomial : 0);
        }
        tables[0][byte] = crc;
    }
    for (std::size_t k = 1; k < tables.size(); ++k) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            const std::uint32_t former = tables[k - 1][byte];
            tables[k][byte] = (former >> 8) ^ tables[0][former & 0xFF];
        }
    }
    return tables;
}

constexpr Tables tables = make_tables();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::span<const std::uint8_t> bytes,
                                                             std::uint32_t seed) noexcept {
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint64_t crc = ~seed;
    for (; left >= 8; at += 8, left -= 8) crc = _mm_crc32_u64(crc, load_le<std::uint64_t>(at));
    auto narrow = static_cast<std::uint32_t>(crc);
    for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, *at);
    return ~narrow;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::span<const std::uint8_t> bytes, std::uint32_t seed) noexcept {
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    std::uint32_t crc = ~seed;
    for (; left >= 8; at += 8, left -= 8) {
        const std::uint64_t word = load_le<std::uint64_t>(at) ^ crc;
        crc = 0;
        for (std::size_t i = 0; i < 8; ++i) crc ^= tables[7 - i][(word >> (8 * i)) & 0xFF];
    }
    for (; left > 0; ++at, --left) crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xFF];
    return ~crc;
}

std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t seed) noexcept {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(bytes, seed);
#endif
    return crc32c_portable(bytes, seed);
}

}  // namespace flowrelay
