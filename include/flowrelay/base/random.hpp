// A small seedable random generator (xoshiro256**, public domain, https://prng.di.unimi.it/). Not
// for secrets: it is used to spread retries and to make ids. Owned by one thread.
#pragma once

#include <cstdint>

namespace flowrelay {

class Random {
public:
    /// The same seed gives the same sequence on every machine.
    explicit Random(std::uint64_t seed) noexcept;

    /// Returns a generator that is seeded by the kernel (getrandom).
    static Random from_system();

    std::uint64_t next() noexcept;

    /// Returns a uniformly distributed number in [0, bound), or 0 if `bound` is 0.
    std::uint64_t below(std::uint64_t bound) noexcept;

    /// Returns true with the given probability (0: never, 1: always).
    bool chance(double probability) noexcept;

private:
    std::uint64_t state_[4];
};

}  // namespace flowrelay
