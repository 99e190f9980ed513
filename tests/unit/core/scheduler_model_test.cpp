// The scheduler against a simple model of what it promises, in random runs. A run is made from a
// seed: FLOWRELAY_SEED=<n> repeats a single one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "unit/core/scheduler_model.hpp"

namespace flowrelay::core {
namespace {

class RandomRun {
public:
    explicit RandomRun(std::uint64_t seed)
        : random_(seed), options_(random_options()), scheduler_(options_, Random(seed + 1)) {
        rate_.set(options_.rate_limit);
        for (std::uint64_t id = 1; id <= 3; ++id) set_random_rate(TokenId(id));
    }

    void play() {
        const std::uint64_t steps = 50 + random_.below(200);
        for (std::uint64_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            step();
            check_counts();
        }
        recover();
    }

private:
    // ---- a random course of events

    SchedulerOptions random_options() {
        SchedulerOptions options;
        options.lane_backoff = {Milliseconds(1 + random_.below(1000)), Milliseconds(20'000)};
        options.token_backoff = {Milliseconds(1 + random_.below(1000)), Milliseconds(20'000)};
        options.destination_backoff = {Milliseconds(1 + random_.below(1000)), Milliseconds(20'000)};
        options.token_probe = Milliseconds(1 + random_.below(20'000));
        options.destination_probe = Milliseconds(1 + random_.below(20'000));
        options.breaker_failures = 1 + static_cast<unsigned>(random_.below(6));
        options.breaker_lanes = 1 + static_cast<unsigned>(random_.below(4));
        if (random_.chance(0.3)) options.max_age = Milliseconds(1 + random_.below(60'000));
        options.max_in_flight = 1 + random_.below(12);
        options.rate_limit = random_rate();
        return options;
    }

    double random_rate() {
        if (random_.chance(0.5)) return 0;
        return lowest_rate + static_cast<double>(random_.below(random_.chance(0.5) ? 500 : 5)) / 7;
    }

    void set_random_rate(TokenId id) {
        const double rate = random_rate();
        scheduler_.set_token_rate(id, rate);
        if (rate != rates_[id].rate) rates_[id].set(rate);
    }

    void step() {
        if (random_.chance(0.02)) mood_ = static_cast<Mood>(random_.below(7));
        const auto choice = random_.below(100);
        if (choice < 25) {
            enqueue();
        } else if (choice < 50) {
            take_turns();
        } else if (choice < 75) {
            complete_any();
        } else if (choice < 92) {
            let_time_pass();
        } else if (choice < 94) {
            give_up_any();
        } else {
            intervene(random_.below(9));
        }
    }

    void enqueue() {
        QueuedEvent event;
        // Every second number is left out, for a replay to come with.
        const bool replay = next_seq_ > 2 && random_.chance(0.1);
        const std::uint64_t seq = replay ? 2 * random_.below(next_seq_ / 2) + 1 : next_seq_ += 2;
        if (replay && !replayed_.insert(seq).second) return;
        event.seq = Seq(seq);
        event.lane = lane_of(1 + random_.below(3), random_.below(4));
        event.accepted = now_.wall;
        event.expires =
            random_.chance(0.2) ? now_.wall + Milliseconds(random_.below(30'000)) : WallTime::max();
        event.bytes = static_cast<std::uint32_t>(random_.below(1000));
        scheduler_.enqueue(event);
        events_[event.seq].event = event;
        ++accepted_;
        input();
    }

    void let_time_pass() {
        const auto wakeup = scheduler_.next_wakeup(now_);
        Milliseconds time(random_.below(random_.chance(0.3) ? 40'000 : 500));
        if (wakeup && random_.chance(0.5)) {
            time = std::chrono::ceil<Milliseconds>(*wakeup - now_.mono);
            // A moment before nothing may be there yet: take_turns() sees to that.
            if (time.count() > 0 && random_.chance(0.3)) time -= Milliseconds(1);
        }
        pass(time);
        if (random_.chance(0.05)) {
            now_.wall += Milliseconds(random_.below(100'000)) - Milliseconds(50'000);
            input();
        }
    }

    void intervene(std::uint64_t choice) {
        const TokenId id{1 + random_.below(3)};
        ModelToken& token = tokens_[id];
        input();
        switch (choice) {
            case 0:
                scheduler_.pause_token(id);
                token.paused = true;
                break;
            case 1:
            case 2:
                scheduler_.resume_token(id);
                token.paused = false;
                break;
            case 3:
                scheduler_.park_token(id, now_);
                break;
            case 4:
                scheduler_.set_options(options_ = random_options());
                rate_.set(options_.rate_limit);
                break;
            case 5:
                if (random_.chance(0.5)) {
                    EXPECT_EQ(scheduler_.remove_token(id), remove(id));
                }
                break;
            case 6:
                set_random_rate(id);
                break;
            default:
                take_any();
        }
        see_tokens();
    }

    // ---- what may be given

    void take_turns() {
        expire(1 + random_.below(20));
        const std::size_t connections = 1 + random_.below(12);
        while (in_flight_.size() < connections) {
            see_tokens();
            const auto destination = scheduler_.status();
            const auto given = scheduler_.next(now_);
            if (!given) {
                fall_quiet();
                return;
            }
            ASSERT_TRUE(may_have_news()) << "next_wakeup() missed event " << to_number(given->seq);
            input();
            check_assignment(*given, destination);
        }
    }

    void check_assignment(const Assignment& given, const Scheduler::Status& destination) {
        const auto found = events_.find(given.seq);
        ASSERT_NE(found, events_.end());
        ModelEvent& event = found->second;
        ASSERT_FALSE(event.in_flight);
        EXPECT_EQ(given.lane, event.event.lane);
        EXPECT_EQ(given.accepted, event.event.accepted);
        EXPECT_EQ(given.attempt, event.attempts + 1);
        EXPECT_LT(now_.wall, expiry_of(event)) << "over its age";
        for (const auto& [seq, other] : events_) {
            if (!(other.event.lane == given.lane)) continue;
            EXPECT_FALSE(other.in_flight) << "two of a lane in flight";
            EXPECT_GE(seq, given.seq) << "an older one of its lane is queued";
        }
        event.outages = destination_trouble_;
        event.closed_destination = period_of(destination, given.lane.token);
        check_allowance();
        check_token(given, event);
        rate_.give(now_.mono);
        rates_[given.lane.token].give(now_.mono);
        event.in_flight = true;
        event.removed = false;
        in_flight_.insert(given.seq);
    }

    /// With one more under way; those from before the last outage do not count.
    void check_allowance() {
        const auto under_way =
            1 + std::count_if(in_flight_.begin(), in_flight_.end(), [&](Seq seq) {
                return events_.at(seq).outages == destination_trouble_;
            });
        EXPECT_LE(static_cast<std::size_t>(under_way), scheduler_.status().allowance);
    }

    /// The number of the period in which the destination is closed, 0 when it is up.
    /// A token that has not shown the trouble may be tried early.
    unsigned period_of(const Scheduler::Status& destination, TokenId token) {
        if (destination.destination == DestinationState::up) return 0;
        if (*destination.destination_until > now_.mono) {
            EXPECT_FALSE(suspects_.contains(token)) << "the destination is closed";
        }
        const auto probes = std::count_if(in_flight_.begin(), in_flight_.end(), [&](Seq seq) {
            return events_.at(seq).closed_destination == destination_trouble_;
        });
        EXPECT_LE(probes, suspects_.contains(token) ? 0 : 1) << "too many probes at a time";
        return destination_trouble_;
    }

    void check_token(const Assignment& given, ModelEvent& event) {
        const TokenId id = given.lane.token;
        const ModelToken& token = tokens_[id];
        EXPECT_FALSE(token.paused);
        event.closed_token = 0;
        if (token.state == TokenState::active) return;
        EXPECT_TRUE(given.probe);
        const auto until = scheduler_.token_status(id).until;
        if (until) {
            EXPECT_LE(*until, now_.mono) << "the token is closed";
        }
        for (const Seq seq : in_flight_) {
            const ModelEvent& other = events_.at(seq);
            if (other.event.lane.token != id || other.removed) continue;
            EXPECT_NE(other.closed_token, token.trouble) << "two probes of a token";
        }
        event.closed_token = token.trouble;
    }

    void expire(std::size_t limit) {
        const auto taken = scheduler_.take_expired(now_, limit);
        if (taken.empty()) return;
        ASSERT_TRUE(may_have_news()) << "next_wakeup() missed an expiry";
        for (const auto& event : taken) {
            const auto found = events_.find(event.seq);
            ASSERT_NE(found, events_.end());
            EXPECT_FALSE(found->second.in_flight);
            EXPECT_GE(now_.wall, expiry_of(found->second));
            EXPECT_EQ(event.bytes, found->second.event.bytes);
            events_.erase(found);
        }
        expired_ += taken.size();
        input();
    }

    // ---- how attempts end

    void complete_any() {
        if (in_flight_.empty()) return;
        const auto at = random_.below(in_flight_.size());
        complete(*std::next(in_flight_.begin(), static_cast<std::ptrdiff_t>(at)), random_answer());
    }

    void complete(Seq seq, const Judgement& judgement) {
        ModelEvent& event = events_.at(seq);
        const auto before = scheduler_.status().destination;
        const TokenId token = event.event.lane.token;
        const auto completion = scheduler_.complete(seq, judgement, now_);
        EXPECT_EQ(completion.attempt, event.attempts + 1);
        const auto after = scheduler_.status().destination;
        EXPECT_EQ(completion.destination_changed.value_or(before), after);
        if (before == DestinationState::up && after != before) ++destination_trouble_;
        if (after == DestinationState::up) {
            suspects_.clear();
        } else if (before == DestinationState::up || event.closed_destination != 0) {
            suspects_.insert(token);
        }
        input();
        in_flight_.erase(seq);
        event.in_flight = false;
        if (event.removed) {
            settled(seq, completion,
                    judgement.verdict == Verdict::delivered ? Outcome::delivered : Outcome::erased);
            return;
        }
        switch (judgement.verdict) {
            case Verdict::delivered:
                settled(seq, completion, Outcome::delivered);
                break;
            case Verdict::rejected:
                settled(seq, completion, Outcome::dead);
                break;
            case Verdict::gone:
                EXPECT_EQ(completion.action, Completion::Action::disable_token);
                EXPECT_EQ(completion.removed, remove(token));
                break;
            default:
                if (judgement.verdict != Verdict::throttled) ++event.attempts;
                EXPECT_EQ(completion.action, Completion::Action::retry);
        }
        see_tokens();
    }

    void settled(Seq seq, const Completion& completion, Outcome outcome) {
        EXPECT_EQ(completion.action, Completion::Action::settle);
        EXPECT_EQ(completion.outcome, outcome);
        events_.erase(seq);
        ++(outcome == Outcome::delivered ? delivered_ : dead_or_erased_);
    }

    void give_up_any() {
        if (in_flight_.empty()) return;
        const Seq seq = *in_flight_.begin();
        ModelEvent& event = events_.at(seq);
        in_flight_.erase(seq);
        event.in_flight = false;
        input();
        if (random_.chance(0.5)) {
            EXPECT_EQ(scheduler_.release(seq, now_), !event.removed);
            if (event.removed) {
                ++dead_or_erased_;
                events_.erase(seq);
            }
            return;
        }
        const bool lost = random_.chance(0.5);
        const auto completion = scheduler_.unreadable(seq, lost, now_);
        if (lost || event.removed) {
            settled(seq, completion, event.removed ? Outcome::erased : Outcome::dead);
        } else {
            EXPECT_EQ(completion.action, Completion::Action::retry);
        }
    }

    Judgement random_answer() {
        Judgement answer = random_verdict(mood_, random_);
        // Mostly fast, and slow for a while: what the allowance makes of it is checked elsewhere.
        answer.elapsed = Milliseconds(random_.chance(0.1) ? 0 : 1 + random_.below(slowest_));
        if (random_.chance(0.02)) slowest_ = 1 + random_.below(random_.chance(0.5) ? 5 : 5000);
        return answer;
    }

    void take_any() {
        const Seq seq{1 + random_.below(next_seq_ + 2)};
        const auto found = events_.find(seq);
        const bool there = found != events_.end() && !found->second.in_flight;
        EXPECT_EQ(scheduler_.take(seq).has_value(), there);
        if (!there) return;
        events_.erase(found);
        ++dead_or_erased_;
    }

    // ---- the model

    /// Gives how many events of the token leave.
    std::size_t remove(TokenId token) {
        tokens_[token] = ModelToken{};
        for (const Seq seq : in_flight_) {
            ModelEvent& event = events_.at(seq);
            if (event.event.lane.token == token) event.removed = true;
        }
        const auto left = std::erase_if(events_, [token](const auto& entry) {
            return entry.second.event.lane.token == token && !entry.second.in_flight;
        });
        dead_or_erased_ += left;
        return left;
    }

    WallTime expiry_of(const ModelEvent& event) const {
        return std::min(event.event.expires, event.event.accepted + options_.max_age);
    }

    /// After anything that may have changed the state of a token.
    void see_tokens() {
        for (std::uint64_t id = 1; id <= 3; ++id) see_token(TokenId(id), tokens_[TokenId(id)]);
    }

    void see_token(TokenId id, ModelToken& token) {
        const auto state = scheduler_.token_status(id).state;
        if (token.paused) {
            EXPECT_EQ(state, TokenState::paused);
            // What is behind the pause is seen when it ends.
            return;
        }
        const auto actual = state == TokenState::gone ? TokenState::active : state;
        if (token.state == TokenState::active && actual != TokenState::active) ++token.trouble;
        token.state = actual;
    }

    void check_counts() {
        const auto status = scheduler_.status();
        EXPECT_EQ(status.queued, events_.size());
        EXPECT_EQ(status.in_flight, in_flight_.size());
        EXPECT_GE(status.allowance, 1U);
        EXPECT_LE(status.allowance, options_.max_in_flight);
        EXPECT_EQ(accepted_, events_.size() + delivered_ + expired_ + dead_or_erased_);
        std::set<LaneId, LaneOrder> lanes;
        std::map<TokenId, std::size_t> queued;
        for (const auto& [seq, event] : events_) {
            lanes.insert(event.event.lane);
            ++queued[event.event.lane.token];
        }
        EXPECT_EQ(status.lanes, lanes.size());
        EXPECT_LE(status.waiting_lanes, lanes.size());
        if (!events_.empty()) {
            EXPECT_EQ(status.oldest, events_.begin()->second.event.accepted);
        }
        for (std::uint64_t id = 1; id <= 3; ++id) {
            EXPECT_EQ(scheduler_.token_status(TokenId(id)).queued, queued[TokenId(id)]);
        }
    }

    // ---- wake-ups: from one fall_quiet() to the next input nothing comes before the wake-up

    void fall_quiet() {
        quiet_ = true;
        wakeup_ = scheduler_.next_wakeup(now_);
    }
    void input() { quiet_ = false; }
    bool may_have_news() const { return !quiet_ || (wakeup_ && *wakeup_ <= now_.mono); }

    void pass(Milliseconds time) {
        now_.mono += time;
        now_.wall += time;
    }

    // ---- liveness

    /// The server is well and stays so: everything is settled in bounded time.
    void recover() {
        mood_ = Mood::healthy;
        for (std::uint64_t id = 1; id <= 3; ++id) {
            scheduler_.resume_token(TokenId(id));
            tokens_[TokenId(id)].paused = false;
        }
        input();
        const auto at_lowest_rate =
            std::chrono::duration<double>(static_cast<double>(events_.size() + 1) / lowest_rate);
        const MonoTime limit =
            now_.mono + std::chrono::minutes(3) + std::chrono::ceil<Milliseconds>(at_lowest_rate);
        while (!events_.empty() && !testing::Test::HasFailure()) {
            expire(1000);
            take_turns();
            if (in_flight_.empty() && !events_.empty()) {
                const auto wakeup = scheduler_.next_wakeup(now_);
                ASSERT_TRUE(wakeup) << events_.size() << " events wait for nothing";
                pass(std::chrono::ceil<Milliseconds>(*wakeup - now_.mono));
                ASSERT_LE(now_.mono, limit) << events_.size() << " events are still there";
            }
            while (!in_flight_.empty()) complete_any();
        }
        check_counts();
        EXPECT_EQ(scheduler_.status().waiting_lanes, 0U);
    }

    static constexpr double lowest_rate = 0.1;

    Random random_;
    SchedulerOptions options_;
    Scheduler scheduler_;
    Now now_{MonoTime(std::chrono::hours(1)), start_of_time};
    Mood mood_ = Mood::healthy;

    std::map<Seq, ModelEvent> events_;
    std::set<Seq> in_flight_;
    std::map<TokenId, ModelToken> tokens_;
    std::map<TokenId, ModelRate> rates_;
    ModelRate rate_;  // of the destination
    std::uint64_t slowest_ = 1;
    std::set<std::uint64_t> replayed_;
    std::uint64_t next_seq_ = 0;
    unsigned destination_trouble_ = 0;
    std::set<TokenId> suspects_;  // that were answered badly in this trouble
    std::size_t accepted_ = 0, delivered_ = 0, expired_ = 0, dead_or_erased_ = 0;

    bool quiet_ = false;
    std::optional<MonoTime> wakeup_;
};

TEST(SchedulerModelTest, KeepsItsPromisesInRandomRuns) {
    std::uint64_t first = 1;
    std::uint64_t last = 2000;
    if (const char* seed = std::getenv("FLOWRELAY_SEED")) first = last = std::stoull(seed);
    for (std::uint64_t seed = first; seed <= last && !HasFailure(); ++seed) {
        SCOPED_TRACE("repeat with FLOWRELAY_SEED=" + std::to_string(seed));
        RandomRun(seed).play();
    }
}

}  // namespace
}  // namespace flowrelay::core
