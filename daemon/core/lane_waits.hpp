// Decides what an answer means for the lane of its event, apart from its token and the destination.
// Pure.
#pragma once

#include <optional>

#include "breaker.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "lane_table.hpp"

namespace flowrelay::core::scheduling {

/// Returns whether the lane must wait for a backoff, and not only its token or the destination. The
/// gates must have processed the answer already.
bool must_wait(const Lane& lane, const Judgement& judgement, const Breaker& breaker) noexcept;

/// Returns until when other lanes go first. The refusal that parked the token or the destination
/// may be about this event alone, which only the event of another lane can show.
std::optional<MonoTime> not_the_next_probe(const Lane& lane, const Judgement& judgement,
                                           const Breaker& breaker, const SchedulerOptions& options,
                                           MonoTime now) noexcept;

/// Returns when the first lane of a parked token may be its probe; nothing if a lane is ready, or
/// if the token has more lanes than are searched here.
std::optional<MonoTime> probe_by(const TokenQueue& token) noexcept;

}  // namespace flowrelay::core::scheduling
