// Declares the unreadable bytes of a spool file lost, for an operator whose disk does not return
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

struct LostBytes {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

/// Replaces a spool file by a copy with zeros where the disk returns nothing, and up to the durable
/// end of dead letters or known ids that were cut short. Returns which bytes were replaced. They
/// then count as damaged rather than unreadable: the next start reports what is lost and continues.
/// A file that is readable and whole is left alone. Errors: a running process uses the spool, or
/// there is no room for the copy; the file is then unchanged.
Result<std::vector<LostBytes>> declare_damaged(FileSystem& file_system, const std::string& path);

}  // namespace flowrelay::storage
