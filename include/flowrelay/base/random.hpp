// A small seedable generator (xoshiro256**, public domain, https://prng.di.unimi.it/). Not for
// secrets: it spreads retries and makes ids. Owned by one thread.
#pragma once

#include <cstdint>

namespace flowrelay {

class Random {
public:
    /// The same seed gives the same sequence on every machine.
    explicit Random(std::uint64_t seed) noexcept;

    /// Seeded by the kernel (getrandom).
    static Random from_system();

    std::uint64_t next() noexcept;

    /// Uniform in [0, bound); 0 for bound 0.
    std::uint64_t below(std::uint64_t bound) noexcept;

    /// True with this probability (0 never, 1 always).
    bool chance(double probability) noexcept;

private:
    std::uint64_t state_[4];
};

}  // namespace flowrelay
