#include "flowrelay/storage/file_system.hpp"

#include "flowrelay/storage/path.hpp"

#include <cerrno>

namespace flowrelay::storage {

bool is_disk_full(const error_code& code) noexcept {
    return code == boost::system::errc::no_space_on_device ||
           code == error_code(EDQUOT, boost::system::system_category());
}

bool is_out_of_descriptors(const error_code& code) noexcept {
    return code == boost::system::errc::too_many_files_open ||
           code == boost::system::errc::too_many_files_open_in_system;
}

Result<void> FileSystem::move(const std::string& from, const std::string& to) {
    if (const auto there = exists(to); there.has_error() || *there) {
        // Left by an earlier attempt, perhaps the same file.
        auto done = there.has_error() ? Result<void>(there.error()) : remove(to);
        if (done.has_error()) return done;
    }
    auto done = link(from, to);
    const bool linked = done.has_value();
    if (!linked) done = rename(from, to);
    if (done.has_value()) done = sync_directory(parent_of(to));
    if (done.has_value() && linked) done = remove(from);
    if (done.has_value()) done = sync_directory(parent_of(from));
    return done;
}

}  // namespace flowrelay::storage
