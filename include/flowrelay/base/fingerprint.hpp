// Salted fingerprint of a token. It is all that is kept of an erased token: it recognises the token
// if it is used again, and the token can't be recovered from it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "flowrelay/base/secret.hpp"

namespace flowrelay {

/// Random bytes, generated once per spool and stored in it.
using Salt = std::array<std::uint8_t, 16>;

/// The first 16 bytes of the HMAC-SHA-256 (RFC 2104) of a token, keyed with the salt.
using Fingerprint = std::array<std::uint8_t, 16>;

/// Returns a new salt from the kernel's random generator (getrandom). Throws std::runtime_error if
/// it fails.
Salt make_salt();

Fingerprint fingerprint(std::string_view token, const Salt& salt);

}  // namespace flowrelay
