// Calls to the daemon: HTTP over its control socket.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/client/failure.hpp"

namespace flowrelay::client {

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

/// Makes one request and returns its answer; all of it takes at most `wait`. `body` is JSON, or
/// empty for none. `still_waiting` is called once if there is no answer after a few seconds of a
/// long wait.
/// Error: there was no proper answer.
Result<DaemonReply> call_daemon(const std::string& socket, std::string_view method,
                                std::string_view target, std::string_view body, Milliseconds wait,
                                const std::function<void()>& still_waiting = {});

/// What the daemon says of a request that it refused: the "message" of the answer, fit to print.
std::string message_of(const DaemonReply& reply);

/// Precondition: the daemon refused.
Failure failure_of(const DaemonReply& reply) noexcept;

}  // namespace flowrelay::client
