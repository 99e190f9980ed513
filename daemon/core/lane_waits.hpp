// What an answer means for the lane of its event, beside its token and the destination. Pure.
#pragma once

#include <optional>

#include "breaker.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "lane_table.hpp"

namespace flowrelay::core::scheduling {

/// Whether the lane has to wait for a backoff, or only its token or the destination. The gates have
/// heard of the answer already.
bool must_wait(const Lane& lane, const Judgement& judgement, const Breaker& breaker) noexcept;

/// Until when another lane goes first: the refusal that parked the token or the destination may be
/// about this event alone, and whether it is, the event of another lane has to show.
std::optional<MonoTime> not_the_next_probe(const Lane& lane, const Judgement& judgement,
                                           const Breaker& breaker, const SchedulerOptions& options,
                                           MonoTime now) noexcept;

/// When the first of its lanes may be the probe of a parked token; nothing where one is ready, or
/// where it has more lanes than are looked at here.
std::optional<MonoTime> probe_by(const TokenQueue& token) noexcept;

}  // namespace flowrelay::core::scheduling
