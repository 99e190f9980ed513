#include "flowrelay/client/failure.hpp"

namespace flowrelay::client {

namespace errc = boost::system::errc;

Failure failure_of(const Error& error) noexcept {
    const error_code& code = error.code;
    if (code == errc::no_such_file_or_directory || code == errc::connection_refused ||
        code == errc::not_a_directory || code == errc::filename_too_long) {
        return Failure::unavailable;
    }
    if (code == errc::permission_denied || code == errc::operation_not_permitted) {
        return Failure::not_permitted;
    }
    return Failure::try_later;
}

}  // namespace flowrelay::client
