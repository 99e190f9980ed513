// A scheduler under virtual time, and the answers that its tests give.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "flowrelay/core/scheduler.hpp"

namespace flowrelay::core {

using namespace std::chrono_literals;

namespace answers {

inline Judgement of(Verdict verdict) {
    Judgement judgement;
    judgement.verdict = verdict;
    return judgement;
}
inline Judgement ok() {
    return of(Verdict::delivered);
}
inline Judgement rejected() {
    return of(Verdict::rejected);
}
inline Judgement gone() {
    return of(Verdict::gone);
}
inline Judgement unauthorized() {
    return of(Verdict::park_token);
}
inline Judgement not_found() {
    return of(Verdict::park_destination);
}
inline Judgement throttled(std::optional<Milliseconds> hold = std::nullopt) {
    Judgement judgement = of(Verdict::throttled);
    judgement.hold = hold;
    judgement.too_fast = true;
    return judgement;
}
inline Judgement unavailable(std::optional<Milliseconds> hold = std::nullopt) {
    Judgement judgement = of(Verdict::retry);
    judgement.server_error = true;
    judgement.hold = hold;
    judgement.too_fast = hold.has_value();
    return judgement;
}
/// A 503 without Retry-After.
inline Judgement busy() {
    Judgement judgement = unavailable();
    judgement.too_fast = true;
    return judgement;
}
inline Judgement no_connection() {
    Judgement judgement = of(Verdict::retry);
    judgement.connection_failure = true;
    return judgement;
}
/// The request was sent, and no answer came.
inline Judgement no_answer() {
    Judgement judgement = no_connection();
    judgement.after_sending = true;
    return judgement;
}
/// 408 or 425: neither the breaker's nor the token's business.
inline Judgement try_again() {
    return of(Verdict::retry);
}

}  // namespace answers

constexpr LaneId lane_of(std::uint64_t token, std::uint64_t thread) {
    return LaneId{TokenId(token), thread};
}

constexpr WallTime start_of_time{Milliseconds(1'700'000'000'000)};

class SchedulerTest : public testing::Test {
protected:
    /// Accepted now.
    QueuedEvent event(std::uint64_t seq, LaneId lane) const {
        return QueuedEvent{Seq(seq), lane, now.wall, WallTime::max(), 500};
    }
    void enqueue(std::uint64_t seq, LaneId lane) { scheduler.enqueue(event(seq, lane)); }

    /// The number of the event whose turn it is, 0 for none.
    std::uint64_t next() {
        const auto given = scheduler.next(now);
        return given ? to_number(given->seq) : 0;
    }

    std::vector<std::uint64_t> next_all() {
        std::vector<std::uint64_t> given;
        while (const auto seq = next()) given.push_back(seq);
        return given;
    }

    Completion complete(std::uint64_t seq, const Judgement& judgement) {
        return scheduler.complete(Seq(seq), judgement, now);
    }

    std::vector<std::uint64_t> take_expired(std::size_t limit = 1000) {
        std::vector<std::uint64_t> taken;
        for (const auto& expired : scheduler.take_expired(now, limit)) {
            taken.push_back(to_number(expired.seq));
        }
        return taken;
    }

    void pass(Milliseconds time) {
        now.mono += time;
        now.wall += time;
    }

    /// How long until the scheduler wants to be asked again; -1ms for never.
    Milliseconds wakeup_in() const {
        const auto at = scheduler.next_wakeup(now);
        return at ? std::chrono::ceil<Milliseconds>(*at - now.mono) : -1ms;
    }

    DestinationState destination() const { return scheduler.status().destination; }
    TokenState token(std::uint64_t id) const { return scheduler.token_status(TokenId(id)).state; }

    /// Token 1 has had a good answer: it need not leave places to others.
    void let_all_places_be_taken() {
        enqueue(9801, lane_of(1, 9801));
        complete(next(), answers::ok());
    }

    /// Five failed connections of five lanes of token 99, seqs from `first` on.
    void take_down(std::uint64_t first = 9001) {
        for (std::uint64_t i = 0; i < 5; ++i) enqueue(first + i, lane_of(99, i));
        const auto given = next_all();
        ASSERT_EQ(given.size(), 5U);
        for (const auto seq : given) complete(seq, answers::no_connection());
        ASSERT_EQ(destination(), DestinationState::down);
    }

    SchedulerOptions options;
    Now now{MonoTime(std::chrono::hours(1)), start_of_time};
    Scheduler scheduler{options, Random(1)};
};

}  // namespace flowrelay::core
