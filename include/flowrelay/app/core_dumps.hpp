// Processes that have tokens in their memory.
#pragma once

namespace flowrelay::app {

/// Has the kernel write no core dump of this process, which would have the tokens in it, and keeps
/// other processes of its user from reading its memory. A process under AddressSanitizer stays
/// readable: leak detection traces it.
void forbid_core_dumps();

}  // namespace flowrelay::app
