// What an operator does about bytes of a spool that its disk does not give any more.
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

/// Puts a copy in the place of a file of a spool, with zeros where the disk gives nothing, and at
/// the end of dead letters or known ids that were cut short, and returns where. From then on these
/// bytes are damaged rather than unreadable: the next start tells what is lost and goes on. A file
/// that can be read and is whole is left alone. Errors: a running process uses the spool, or there
/// is no room for the copy; then the file is as it was.
Result<std::vector<LostBytes>> declare_damaged(FileSystem& file_system, const std::string& path);

}  // namespace flowrelay::storage
