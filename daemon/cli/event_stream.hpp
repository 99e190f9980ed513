// Sends NDJSON from a descriptor to the daemon: many events in flight at once, one answer for each,
// in order. The total time is not limited, but sending ends if the daemon neither accepts data nor
// answers for a while. Waiting for input is not limited.
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
    std::uint64_t duplicates = 0;  ///< accepted ones
    std::uint64_t filtered = 0;    ///< accepted ones that are not delivered
    std::uint64_t rejected = 0;    ///< permanently
    std::uint64_t refused = 0;     ///< temporarily, or for this user
    std::uint64_t unanswered = 0;  ///< sent, but unknown whether they were accepted
};

struct StreamResult {
    ExitCode exit_code = ExitCode::ok;
    StreamCounts counts;
    std::string problem;           ///< why sending ended early; empty if it did not
    std::uint64_t stopped_at = 0;  ///< first line not sent, if sending ended early
};

struct StreamHooks {
    /// Called with each answer in the order of the lines: the input line's number, the parsed
    /// answer and its text.
    std::function<void(std::uint64_t line, const Answer& answer, std::string_view text)> answered;
    /// Called after each step with the number of answered events and of their input bytes; at least
    /// ten times a second if `ticks`.
    std::function<void(std::uint64_t events, std::uint64_t bytes)> progress;
    bool ticks = false;
};

/// Sends the lines of `input` to the daemon that listens on `socket`. A temporary refusal
/// (queue_full, shutting_down, storage_failed) ends the sending, because later events would
/// overtake the refused one. `wait` limits connecting, and the time without progress.
StreamResult send_stream(int input, const std::string& socket, Milliseconds wait,
                         const StreamHooks& hooks);

}  // namespace flowrelay::cli
