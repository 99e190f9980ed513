// Exponential backoff with full jitter
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
#pragma once

#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

struct BackoffOptions {
    Milliseconds initial{1000};  ///< > 0
    Milliseconds max{300'000};   ///< >= initial
};

/// The wait after the `failures`-th failure in a row (1 is the first): uniform between 0 and
/// min(max, initial * 2^(failures-1)), but at least a tenth of that, so that a wait of zero does
/// not make a storm.
Milliseconds backoff(const BackoffOptions& options, unsigned failures, Random& random) noexcept;

}  // namespace flowrelay::core
