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

/// The wait after the `failures`-th failure in a row (1 is the first; 0 counts as 1): uniform
/// between a tenth of c and c, where c = min(max, initial * 2^(failures-1)). The lower end keeps a
/// wait of zero from making a storm.
Milliseconds backoff(const BackoffOptions& options, unsigned failures, Random& random) noexcept;

/// The shortest of these waits.
Milliseconds shortest_backoff(const BackoffOptions& options, unsigned failures) noexcept;

/// One failure more, as far as more of them make the waits longer: so that as many good answers as
/// it takes to come down again are not many.
unsigned next_failure(const BackoffOptions& options, unsigned failures) noexcept;

}  // namespace flowrelay::core
