#include "flowrelay/base/digest.hpp"

#include <openssl/evp.h>

#include <stdexcept>

namespace flowrelay {

std::array<std::uint8_t, 32> sha256(std::string_view text) {
    std::array<std::uint8_t, 32> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1 ||
        size != digest.size()) {
        throw std::runtime_error("SHA-256 is not available");
    }
    return digest;
}

std::string base64url(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string out;
    std::uint32_t bits = 0;
    int count = 0;
    for (const std::uint8_t byte : bytes) {
        bits = (bits << 8 | byte) & 0xFFFF;
        count += 8;
        for (; count >= 6; count -= 6) out += alphabet[bits >> (count - 6) & 0x3F];
    }
    if (count > 0) out += alphabet[bits << (6 - count) & 0x3F];
    return out;
}

}  // namespace flowrelay
