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

/// Time limit for a request that the daemon answers from memory.
inline constexpr Milliseconds patience = Seconds(10);
/// Time limit for a request that reads files or waits for the disk.
inline constexpr Milliseconds patience_with_disk = Seconds(30);

/// An answer of the daemon, with any status.
struct DaemonReply {
    int code = 0;      ///< the HTTP status
    std::string body;  ///< JSON, or lines of it
    std::string next;  ///< where the next page begins; empty: this is the last page

    bool ok() const noexcept { return is_success(code); }
};

/// Sends one request and returns the answer. Connecting, sending and waiting together take at most
/// `wait`. `body` is JSON, or empty for no body. If `wait` is long, `still_waiting` is called once
/// when there is no answer after a few seconds.
/// Error: no valid answer.
Result<DaemonReply> call_daemon(const std::string& socket, std::string_view method,
                                std::string_view target, std::string_view body, Milliseconds wait,
                                const std::function<void()>& still_waiting = {});

/// Returns why the daemon refused a request: the "message" of the answer, safe to print.
std::string message_of(const DaemonReply& reply);

/// Classifies the answer to a refused request. Precondition: `reply` is not ok().
Failure failure_of(const DaemonReply& reply) noexcept;

}  // namespace flowrelay::client
