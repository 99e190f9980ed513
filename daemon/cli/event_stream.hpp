// NDJSON from a descriptor to the daemon: many events on the way at once, an answer for each of
// them in order. The waits are bounded by progress: it takes as long as it takes, but ends when
// the daemon does not take or answer anything for a while. Waiting for input is not bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cli/answer.hpp"
#include "cli/exit_code.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

struct StreamCounts {
    std::uint64_t accepted = 0;
    std::uint64_t duplicates = 0;  ///< of these
    std::uint64_t filtered = 0;    ///< accepted ones that are not delivered
    std::uint64_t rejected = 0;    ///< for good
    std::uint64_t refused = 0;     ///< not now, or not for this user
    std::uint64_t unanswered = 0;  ///< sent; whether they were accepted is not known
};

struct StreamResult {
    ExitCode exit_code = ExitCode::ok;
    StreamCounts counts;
    std::string problem;           ///< why it ended early; empty if it did not
    std::uint64_t stopped_at = 0;  ///< the first line that was not sent, if it ended early
};

struct StreamHooks {
    /// One answer, in the order of the lines: its line of the input, what it means, its text.
    std::function<void(std::uint64_t line, const Answer& answer, std::string_view text)> answered;
    /// Called after each step with how many events are answered and how many bytes of the input
    /// these were; at least ten times a second if `ticks`.
    std::function<void(std::uint64_t events, std::uint64_t bytes)> progress;
    bool ticks = false;
};

/// Sends the lines of `input` to the daemon that listens on `socket`. An event that can't be taken
/// now (queue_full, shutting_down, storage_failed) ends the sending: the events behind it would
/// overtake it. `wait`: for the connection, and between two steps of progress.
StreamResult send_stream(int input, const std::string& socket, Milliseconds wait,
                         const StreamHooks& hooks);

}  // namespace flowrelay::cli
