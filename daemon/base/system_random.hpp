// The kernel's random generator, for values that must be unpredictable or differ between processes.
#pragma once

#include <cstddef>

namespace flowrelay {

/// Fills `out` with getrandom(2). Throws std::runtime_error if it fails.
void fill_from_system(void* out, std::size_t size);

}  // namespace flowrelay
