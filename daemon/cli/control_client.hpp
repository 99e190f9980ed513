// Calls to the daemon for operators: HTTP over the control socket.
#pragma once

#include <string>
#include <string_view>

#include "cli/exit_code.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/client/daemon_call.hpp"
#include "flowrelay/http/request_writer.hpp"

namespace flowrelay::cli {

using client::DaemonReply;
using client::message_of;
using client::patience;
using client::patience_with_disk;
using http::url_encode;

/// Sends one request and returns the answer, within `wait`. `body` is JSON, or empty for no body.
/// Prints a message on stderr during a long wait. Error: no valid answer.
Result<DaemonReply> call_daemon(const std::string& socket, std::string_view method,
                                std::string_view target, std::string_view body, Milliseconds wait);

/// Returns the body of a 200 answer to GET `target`. Error: any other answer, or none.
Result<std::string> get_from_daemon(const std::string& socket, std::string_view target,
                                    Milliseconds wait);

/// Returns the exit code for a request that the daemon refused.
ExitCode exit_code_of(const DaemonReply& reply) noexcept;

}  // namespace flowrelay::cli
