// How the command ends, as sysexits.h has it: scripts rely on these numbers.
#pragma once

#include "flowrelay/base/error.hpp"
#include "flowrelay/client/failure.hpp"

namespace flowrelay::cli {

enum class ExitCode : int {
    ok = 0,              ///< everything was accepted
    can_not_tell = 1,    ///< a test could not find out what it was asked for
    usage = 64,          ///< wrong options
    rejected = 65,       ///< an event was rejected: sending it again does not help
    unavailable = 69,    ///< the daemon is not there
    try_later = 75,      ///< no answer in time, or the daemon can't take events now
    not_permitted = 77,  ///< the socket, or the source, is closed to this user
    bad_config = 78,     ///< the configuration can't be used
};

/// For a step that failed.
ExitCode exit_code_of(client::Failure failure) noexcept;

/// For a connection that failed.
ExitCode exit_code_of(const Error& error) noexcept;

}  // namespace flowrelay::cli
