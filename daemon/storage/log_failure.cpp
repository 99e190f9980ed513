#include "log_failure.hpp"

#include <utility>

#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

Error LogFailure::full(std::string_view code, std::string message) {
    full_code_ = code;
    return {QueueErrc::full, std::move(message)};
}

Error LogFailure::fail(const Error& error) {
    error_ = Error{QueueErrc::failed,
                   error.message + ": nothing more is accepted until flowrelayd is restarted"};
    return *error_;
}

Error LogFailure::fail_unless_passing(const Error& error) {
    if (is_disk_full(error.code)) {
        // There may be space for data but no inode for another file.
        const bool inodes = error.message.ends_with(no_inodes);
        return full("disk_full",
                    (inodes ? "the spool cannot grow: " : "the disk is full: ") + error.message);
    }
    if (is_out_of_descriptors(error.code)) return full("no_descriptors", error.message);
    if (error.code == QueueErrc::unreadable) return error;  // nothing was written
    return fail(error);
}

}  // namespace flowrelay::storage
