#include "flowrelay/storage/file_system.hpp"

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

}  // namespace flowrelay::storage
