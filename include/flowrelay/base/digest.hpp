// SHA-256, and bytes as text that may stand in a URL.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace flowrelay {

/// FIPS 180-4. Throws std::runtime_error if OpenSSL has none.
std::array<std::uint8_t, 32> sha256(std::string_view text);

/// RFC 4648, section 5, without padding: letters, digits, "-" and "_".
std::string base64url(std::span<const std::uint8_t> bytes);

}  // namespace flowrelay
