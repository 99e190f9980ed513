// Exit codes, following sysexits.h. Scripts rely on the numbers.
#pragma once

#include "flowrelay/base/error.hpp"
#include "flowrelay/client/failure.hpp"

namespace flowrelay::cli {

enum class ExitCode : int {
    ok = 0,              ///< everything was accepted
    can_not_tell = 1,    ///< a test could not find out what it tests
    usage = 64,          ///< wrong options
    rejected = 65,       ///< an event was rejected permanently
    unavailable = 69,    ///< the daemon does not run
    try_later = 75,      ///< no answer in time, or a temporary refusal
    not_permitted = 77,  ///< this user may not use the socket or the source
    bad_config = 78,     ///< the configuration can't be used
};

/// Returns the exit code for a failed step.
ExitCode exit_code_of(client::Failure failure) noexcept;

/// Returns the exit code for a failed connection.
ExitCode exit_code_of(const Error& error) noexcept;

}  // namespace flowrelay::cli
