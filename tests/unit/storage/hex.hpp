// Shows bytes for comparison by people.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <string>

namespace flowrelay::test {

/// Formats lines of 16 bytes: "00010203 04050607 08090a0b 0c0d0e0f\n".
inline std::string hex(std::span<const std::uint8_t> bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        text += fmt::format("{:02x}", bytes[i]);
        if (i % 16 == 15 || i + 1 == bytes.size()) {
            text += '\n';
        } else if (i % 4 == 3) {
            text += ' ';
        }
    }
    return text;
}

}  // namespace flowrelay::test
