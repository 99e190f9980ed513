// The operator's calls to the daemon: HTTP over the control socket.
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

/// One request and its answer; all of it takes at most `wait`. `body` is JSON, or empty for none.
/// A long wait is said on stderr. Error: there was no proper answer.
Result<DaemonReply> call_daemon(const std::string& socket, std::string_view method,
                                std::string_view target, std::string_view body, Milliseconds wait);

/// The body of the answer to GET `target`, if that is 200.
Result<std::string> get_from_daemon(const std::string& socket, std::string_view target,
                                    Milliseconds wait);

/// How the command ends when the daemon refused.
ExitCode exit_code_of(const DaemonReply& reply) noexcept;

}  // namespace flowrelay::cli
