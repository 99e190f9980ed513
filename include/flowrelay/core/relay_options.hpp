// The options of a relay and its counters, which its parts share. The relay owns both.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/active_set.hpp"
#include "flowrelay/core/problem_reports.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::core {

struct RelayOptions {
    SchedulerOptions scheduler;
    ActiveSetOptions active_set;
    Milliseconds retry_after_cap{3'600'000};
    std::uint64_t max_events_per_token = 0;  ///< queued; 0: no limit
    std::uint64_t max_event_size = 0;        ///< with its source's defaults; 0: no limit
    Milliseconds gone_grace{3'600'000};
    Milliseconds dedup_window{600'000};
    std::size_t dedup_entries = 200'000;  ///< bounds the memory of the window
    DeadLetterLimits dead_letters;
    ProblemReportTimes problem_reports;
    bool accept_unknown_tokens = true;
    std::size_t max_unknown_tokens = 100'000;  ///< slots of tokens that belong to no source
    /// How many of these are kept at most that have no events, those that were used last.
    std::size_t unused_tokens = 10'000;
    /// How many are kept: few enough for new tokens to find room. The newest slot is kept besides.
    std::size_t kept_unused_tokens() const noexcept {
        return std::min(unused_tokens, (std::max<std::size_t>(max_unknown_tokens, 1) - 1) / 2);
    }
    Milliseconds check_idle_sources{0};  ///< see SourceChecks; 0: none is asked for
    std::string destination;             ///< the base URL
    std::string route;  ///< what else decides where requests go: another path, a proxy
};

/// Counts since the process started.
struct RelayCounters {
    std::uint64_t accepted_events = 0;  ///< answered as accepted and stored; a repeat is none
    // An event that goes to several routes has a copy for each.
    std::uint64_t accepted = 0;  ///< copies that were stored
    std::uint64_t duplicates = 0;
    std::uint64_t filtered = 0;  ///< answered as accepted, and neither stored nor delivered
    std::uint64_t rejected = 0;  ///< submissions, and requests that could not be any
    std::uint64_t delivered = 0;
    std::uint64_t attempts = 0;   ///< requests made
    std::uint64_t retried = 0;    ///< attempts after which the event waits
    std::uint64_t ambiguous = 0;  ///< of these: written, but not answered
    std::uint64_t dead = 0;       ///< deaths, expired events included
    std::uint64_t expired = 0;
    std::uint64_t dropped_by_age = 0;       ///< dead letters over dead_letters.max_age
    std::uint64_t dropped_by_operator = 0;  ///< queued events and dead letters
};

}  // namespace flowrelay::core
