#include "flowrelay/base/random.hpp"

#include <sys/random.h>

#include <bit>
#include <cerrno>
#include <stdexcept>

#include "flowrelay/base/error.hpp"
#include "system_random.hpp"

namespace flowrelay {

namespace {

__extension__ using Wide = unsigned __int128;

std::uint64_t splitmix64(std::uint64_t& state) noexcept {
    state += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

}  // namespace

void fill_from_system(void* out, std::size_t size) {
    auto* at = static_cast<unsigned char*>(out);
    while (size > 0) {
        const ssize_t got = ::getrandom(at, size, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            throw std::runtime_error(
                system_error(errno, "read", "the kernel's random number generator").message);
        }
        at += got;
        size -= static_cast<std::size_t>(got);
    }
}

Random::Random(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = splitmix64(seed);
}

Random Random::from_system() {
    std::uint64_t seed = 0;
    fill_from_system(&seed, sizeof seed);
    return Random(seed);
}

std::uint64_t Random::next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

// Lemire's multiply and reject (https://arxiv.org/abs/1805.10941): no bias, hardly ever a division.
std::uint64_t Random::below(std::uint64_t bound) noexcept {
    if (bound == 0) return 0;
    Wide product = static_cast<Wide>(next()) * bound;
    if (static_cast<std::uint64_t>(product) < bound) {
        const std::uint64_t threshold = (0 - bound) % bound;
        while (static_cast<std::uint64_t>(product) < threshold) {
            product = static_cast<Wide>(next()) * bound;
        }
    }
    return static_cast<std::uint64_t>(product >> 64);
}

bool Random::chance(double probability) noexcept {
    // 53 bits: the uniform doubles in [0, 1).
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
}

}  // namespace flowrelay
