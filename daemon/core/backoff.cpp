#include "flowrelay/core/backoff.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>

namespace flowrelay::core {

namespace {

Milliseconds ceiling(const BackoffOptions& options, unsigned failures) noexcept {
    assert(options.initial > Milliseconds(0) && options.max >= options.initial);
    Milliseconds wait = options.initial;
    for (unsigned n = 1; n < failures && wait < options.max; ++n) {
        // Doubling must not pass the largest number of milliseconds on the way to `max`.
        if (wait > options.max / 2) return options.max;
        wait *= 2;
    }
    return std::min(wait, options.max);
}

}  // namespace

Milliseconds backoff(const BackoffOptions& options, unsigned failures, Random& random) noexcept {
    const Milliseconds most = ceiling(options, failures);
    const Milliseconds least = shortest_backoff(options, failures);
    const auto spread = static_cast<std::uint64_t>((most - least).count());
    return least + Milliseconds(static_cast<std::int64_t>(random.below(spread + 1)));
}

Milliseconds shortest_backoff(const BackoffOptions& options, unsigned failures) noexcept {
    return ceiling(options, failures) / 10;
}

unsigned next_failure(const BackoffOptions& options, unsigned failures) noexcept {
    return failures > 0 && ceiling(options, failures) >= options.max ? failures : failures + 1;
}

}  // namespace flowrelay::core
