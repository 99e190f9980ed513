#include "flowrelay/storage/replace_file.hpp"

#include "flowrelay/storage/path.hpp"

namespace flowrelay::storage {

Result<void> replace_file(FileSystem& file_system, const std::string& path,
                          std::span<const std::uint8_t> bytes) {
    const std::string temporary = path + ".tmp";
    const auto left = file_system.exists(temporary);
    if (left.has_error()) return left.error();
    if (*left) {
        if (auto removed = file_system.remove(temporary); removed.has_error()) return removed;
    }
    const auto file = file_system.create(temporary);
    if (file.has_error()) return file.error();
    auto done = (*file)->write_at(0, bytes);
    if (done.has_value()) done = (*file)->sync();
    if (done.has_value()) done = file_system.rename(temporary, path);
    if (done.has_value()) done = file_system.sync_directory(parent_of(path));
    return done;
}

}  // namespace flowrelay::storage
