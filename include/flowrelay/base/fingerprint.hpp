// A salted fingerprint: what stays of a token when it is erased. It recognises the token when it
// comes again and can't be turned back into it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "flowrelay/base/secret.hpp"

namespace flowrelay {

/// Random bytes, made once for each spool and stored with it.
using Salt = std::array<std::uint8_t, 16>;

/// HMAC-SHA-256 (RFC 2104) of a token under the salt, its first 16 bytes.
using Fingerprint = std::array<std::uint8_t, 16>;

/// From the kernel's generator (getrandom). Throws std::runtime_error when there is none.
Salt make_salt();

Fingerprint fingerprint(std::string_view token, const Salt& salt);

}  // namespace flowrelay
