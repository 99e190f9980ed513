// Little-endian encoding of what is written to disk, and its checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace flowrelay {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the codecs copy bytes as they are");

/// Writes an unsigned integer at `out`, least significant byte first. `out` has room for it.
template <class T>
    requires std::is_unsigned_v<T>
void store_le(std::uint8_t* out, T value) noexcept {
    std::memcpy(out, &value, sizeof value);
}

/// Reads what store_le wrote. `in` holds at least sizeof(T) bytes.
template <class T>
    requires std::is_unsigned_v<T>
T load_le(const std::uint8_t* in) noexcept {
    T value;
    std::memcpy(&value, in, sizeof value);
    return value;
}

inline std::span<const std::uint8_t> as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

inline std::string_view as_text(std::span<const std::uint8_t> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Returns the CRC32C (Castagnoli; RFC 3720, appendix B.4). Uses the processor's instruction where
/// there is one. To continue a running checksum, pass the previous result as `seed`.
std::uint32_t crc32c(std::span<const std::uint8_t> bytes, std::uint32_t seed = 0) noexcept;

/// Computes the CRC32C with tables, on any processor. crc32c() falls back to it.
std::uint32_t crc32c_portable(std::span<const std::uint8_t> bytes, std::uint32_t seed = 0) noexcept;

}  // namespace flowrelay
