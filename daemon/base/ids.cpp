#include "flowrelay/base/ids.hpp"

#include <algorithm>
#include <array>

namespace flowrelay {

namespace {

// The counter has 32 bits: the 12 of rand_a and the first 20 of rand_b. It starts at a random
// value below 2^31 in each millisecond, so it has room for 2^31 ids before it overflows
// (RFC 9562, section 6.2, method 1).
constexpr std::uint64_t counter_start_bound = 1ULL << 31;
constexpr std::uint64_t timestamp_mask = (1ULL << 48) - 1;

// The two hexadecimal digits of each byte.
constexpr std::array<std::array<char, 2>, 256> hex_digits = [] {
    constexpr std::string_view alphabet = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> digits{};
    for (std::size_t byte = 0; byte < digits.size(); ++byte) {
        digits[byte] = {alphabet[byte >> 4], alphabet[byte & 0xF]};
    }
    return digits;
}();

template <int Digits>
void put_hex(char*& out, std::uint64_t value) noexcept {
    static_assert(Digits % 2 == 0);
    for (int shift = 4 * Digits - 8; shift >= 0; shift -= 8) {
        const auto& pair = hex_digits[(value >> shift) & 0xFF];
        *out++ = pair[0];
        *out++ = pair[1];
    }
}

}  // namespace

std::uint64_t hash_thread(std::string_view thread_key) noexcept {
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (const char c : thread_key) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001B3ULL;
    }
    return hash;
}

UuidGenerator::UuidGenerator(Random random) noexcept
    : random_(random), counter_(static_cast<std::uint32_t>(random_.below(counter_start_bound))) {}

std::string UuidGenerator::next(WallTime now) {
    const auto since_epoch = std::max<std::int64_t>(now.time_since_epoch().count(), 0);
    const std::uint64_t ms = static_cast<std::uint64_t>(since_epoch) & timestamp_mask;
    if (ms > last_ms_) {
        last_ms_ = ms;
        counter_ = static_cast<std::uint32_t>(random_.below(counter_start_bound));
    } else if (++counter_ == 0) {
        // The counter of this millisecond is used up: borrow from the next one.
        ++last_ms_;
        counter_ = static_cast<std::uint32_t>(random_.below(counter_start_bound));
    }

    const std::uint64_t version_and_rand_a = 0x7000 | (counter_ >> 20);
    const std::uint64_t tail = random_.next() & ((1ULL << 42) - 1);
    const std::uint64_t rand_b =
        (2ULL << 62) | (static_cast<std::uint64_t>(counter_ & 0xFFFFF) << 42) | tail;

    std::string text(36, '-');
    char* out = text.data();
    put_hex<8>(out, last_ms_ >> 16);
    ++out;
    put_hex<4>(out, last_ms_ & 0xFFFF);
    ++out;
    put_hex<4>(out, version_and_rand_a);
    ++out;
    put_hex<4>(out, rand_b >> 48);
    ++out;
    put_hex<12>(out, rand_b & 0xFFFFFFFFFFFFULL);
    return text;
}

}  // namespace flowrelay
