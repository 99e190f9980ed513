// The kernel's generator, for what has to be unpredictable or at least different in each process.
#pragma once

#include <cstddef>

namespace flowrelay {

/// Fills `out` by getrandom(2). Throws std::runtime_error when the kernel gives nothing.
void fill_from_system(void* out, std::size_t size);

}  // namespace flowrelay
