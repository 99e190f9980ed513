// The operator's calls to the daemon: HTTP over the control socket.
#pragma once

#include <string>
#include <string_view>

#include "cli/exit_code.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/http/request_writer.hpp"

namespace flowrelay::cli {

/// How long a question that the daemon answers from memory may take.
inline constexpr Milliseconds patience = Seconds(10);
/// How long what reads files or waits for the disk may take.
inline constexpr Milliseconds patience_with_disk = Seconds(30);

/// An answer of the daemon, whatever its status.
struct DaemonReply {
    int code = 0;      ///< the HTTP status
    std::string body;  ///< JSON, or lines of it
    std::string next;  ///< where the next page begins; empty: that was all

    bool ok() const noexcept { return is_success(code); }
};

/// One request and its answer; all of it takes at most `wait`. `body` is JSON, or empty for none.
/// Error: there was no proper answer.
Result<DaemonReply> call_daemon(const std::string& socket, std::string_view method,
                                std::string_view target, std::string_view body, Milliseconds wait);

/// The body of the answer to GET `target`, if that is 200.
Result<std::string> get_from_daemon(const std::string& socket, std::string_view target,
                                    Milliseconds wait);

/// What the daemon says of a request that it refused: the "message" of the answer, fit to print.
std::string message_of(const DaemonReply& reply);

/// How the command ends when the daemon refused.
ExitCode exit_code_of(const DaemonReply& reply) noexcept;

using http::url_encode;

}  // namespace flowrelay::cli
