// SHA-256, and base64 that is safe in a URL.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace flowrelay {

/// Returns the SHA-256 digest (FIPS 180-4). Throws std::runtime_error if OpenSSL does not provide
/// it.
std::array<std::uint8_t, 32> sha256(std::string_view text);

/// Encodes as base64url (RFC 4648, section 5) without padding: letters, digits, "-" and "_".
std::string base64url(std::span<const std::uint8_t> bytes);

}  // namespace flowrelay
