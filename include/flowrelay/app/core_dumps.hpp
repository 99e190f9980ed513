// Protects the memory of processes that hold tokens.
#pragma once

namespace flowrelay::app {

/// Prevents core dumps of this process, which would contain tokens, and keeps other processes of
/// its user from reading its memory. Under AddressSanitizer the memory stays readable, since leak
/// detection traces the process.
void forbid_core_dumps();

}  // namespace flowrelay::app
