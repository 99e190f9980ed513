// Tests core::Relay alone at its design sizes, in virtual time: a million events and a day without
// the destination, a hundred thousand tokens beside a greedy one, a million lanes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <queue>
#include <string>
#include <unordered_map>
#include <vector>

#include "flowrelay/core/relay.hpp"
#include "flowrelay/core/summing_log.hpp"

namespace flowrelay::test {
namespace {

using namespace core;

constexpr Now start_of_time{MonoTime(Seconds(1'000'000)), WallTime(Seconds(1'800'000'000))};

/// Sanitized builds are ten times slower: FLOWRELAY_SCALE divides the sizes.
std::uint64_t scaled(std::uint64_t size) {
    const char* divisor = std::getenv("FLOWRELAY_SCALE");
    return divisor == nullptr ? size : std::max<std::uint64_t>(1, size / std::stoull(divisor));
}

class CountingLog final : public Log {
public:
    using Log::write;
    bool enabled(Severity severity) const noexcept override { return severity >= Severity::info; }
    void write(const LogEvent& event, std::span<const LogField>) noexcept override {
        if (enabled(event.severity)) ++lines;
    }
    std::uint64_t lines = 0;
};

/// Keeps queued events in memory and returns them in portions, as a disk would.
class Backlog {
public:
    void put(const QueuedEvent& event) { events_[event.lane.token].push_back(event); }
    LoadedSlice read(const LoadRequest& request) const {
        LoadedSlice slice;
        slice.end = request.after;
        const auto& events = events_.at(request.token);
        auto at = std::ranges::upper_bound(events, request.after, {}, &QueuedEvent::seq);
        for (int looks = 0; at != events.end(); ++at) {
            if (slice.events.size() == request.limit || ++looks > 4096) {
                slice.complete = false;
                return slice;
            }
            slice.end = at->seq;
            if (request.thread_hash && *request.thread_hash != at->lane.thread_hash) continue;
            slice.events.push_back(*at);
        }
        return slice;
    }

private:
    std::unordered_map<TokenId, std::vector<QueuedEvent>> events_;
};

/// A relay whose disk takes no time, but whose requests do.
class BareRelay final : private Clock {
public:
    explicit BareRelay(std::size_t connections) : connections_(connections) {
        RelayOptions options;
        options.scheduler.max_in_flight = connections;
        options.destination = "https://flowdock.example";
        options.max_unknown_tokens = 1'000'000;
        relay_.emplace(options, Salt{}, std::vector<TokenEntry>(), Random(1), log_);
    }

    void submit(std::uint64_t token, std::uint64_t thread) {
        auto parsed =
            Submission::parse(fmt::format(R"({{"flow_token":"t{}","event":"activity","title":"x",)"
                                          R"("author":{{"name":"a"}},"external_thread_id":"{}"}})",
                                          token, thread));
        auto decision = relay_->admission().submit(std::move(*parsed), now_);
        auto& append = std::get<Admission::Append>(decision);
        QueuedEvent event;
        event.seq = Seq{++accepted_};
        event.lane = LaneId{append.record.token, append.record.thread_hash};
        event.accepted = append.record.accepted;
        event.expires = append.record.expires;
        backlog_.put(event);
        relay_->admission().committed(append.record, event.seq);
    }

    /// Runs until `end`, or until nothing is queued.
    void run_until(MonoTime end) {
        while (now_.mono < end && (relay_->destination().queued() > 0 || !under_way_.empty())) {
            begin();
            MonoTime next = end;
            if (!under_way_.empty()) next = std::min(next, under_way_.top().end);
            if (const auto wakeup = relay_->next_wakeup(now_)) {
                next = std::min(next, std::max(*wakeup, now_.mono + Milliseconds(1)));
            }
            pass_to(next);
            while (!under_way_.empty() && under_way_.top().end <= now_.mono) complete();
            relay_->delivery().expire(now_);
            if (now_.mono >= flush_at_) {
                flush_at_ = now_.mono + Seconds(60);
                log_.flush();
            }
        }
        pass_to(std::max(end, now_.mono));
    }

    Now now() const override { return now_; }
    Relay& relay() { return *relay_; }
    std::uint64_t requests() const { return requests_; }
    std::uint64_t lines() const { return counted_.lines; }

    bool up = true;
    Milliseconds takes{5};
    std::function<void(const Assignment&)> delivered = [](const Assignment&) {};

private:
    struct Request {
        MonoTime end;
        Assignment assignment;
        bool operator<(const Request& other) const { return end > other.end; }
    };

    void begin() {
        while (auto request = relay_->destination().active().next_load()) {
            relay_->destination().loaded(*request, backlog_.read(*request));
        }
        while (under_way_.size() < connections_) {
            const auto assignment = relay_->delivery().next(now_);
            if (!assignment) return;
            ++requests_;
            under_way_.push({now_.mono + takes, *assignment});
        }
    }

    void complete() {
        const Assignment assignment = under_way_.top().assignment;
        under_way_.pop();
        AttemptResult result;
        result.elapsed = takes;
        if (up) {
            result.status = 202;
        } else {
            result.end = AttemptEnd::connect_failed;
        }
        EventRecord record;
        record.token = assignment.lane.token;
        record.id = "id";
        record.thread = "e:t";
        relay_->delivery().attempted(assignment, record, result, now_);
        if (up) delivered(assignment);
    }

    void pass_to(MonoTime time) {
        now_.mono = time;
        now_.wall = start_of_time.wall +
                    std::chrono::duration_cast<Milliseconds>(time - start_of_time.mono);
    }

    Now now_ = start_of_time;
    MonoTime flush_at_ = start_of_time.mono;
    CountingLog counted_;
    SummingLog log_{counted_, *this};
    std::optional<Relay> relay_;
    Backlog backlog_;
    std::size_t connections_;
    std::priority_queue<Request> under_way_;
    std::uint64_t accepted_ = 0;
    std::uint64_t requests_ = 0;
};

TEST(Scale, ADayWithoutTheDestinationIsQuietAndItsEndPolite) {
    const std::uint64_t events = scaled(1'000'000);
    constexpr std::uint64_t tokens = 200;
    constexpr std::size_t connections = 32;
    BareRelay relay(connections);
    relay.up = false;
    const auto step = Milliseconds(86'400'000) / static_cast<std::int64_t>(events);
    for (std::uint64_t i = 0; i < events; ++i) {
        relay.submit(i % tokens, (i / tokens) % 50);
        relay.run_until(relay.now().mono + step);
    }
    ASSERT_EQ(relay.relay().destination().queued(), events);
    const std::uint64_t lines = relay.lines();
    const std::uint64_t requests = relay.requests();
    EXPECT_LT(lines, 100U);
    EXPECT_LT(requests, 2000U) << "one probe at a time, at most each five minutes or so";

    relay.up = true;
    const MonoTime back = relay.now().mono;
    MonoTime last = back;
    relay.delivered = [&](const Assignment&) { last = relay.now().mono; };
    relay.run_until(back + std::chrono::hours(24));
    EXPECT_EQ(relay.relay().destination().queued(), 0U);
    const auto took = std::chrono::duration_cast<Milliseconds>(last - back);
    const auto ideal = relay.takes * static_cast<std::int64_t>(events / connections);
    // The next probe may be five minutes away.
    EXPECT_LT(took, std::chrono::minutes(6) + 2 * ideal);
    std::cout << fmt::format(
        "a day without the destination, {} events: {} log lines, {} requests; then drained in {} "
        "(requests of {} over {} connections: {} at the least), {} log lines in all\n",
        events, lines, requests, format_duration(took), format_duration(relay.takes), connections,
        format_duration(ideal), relay.lines());
}

TEST(Scale, OneGreedyTokenDoesNotKeepAHundredThousandSmallOnesWaiting) {
    const std::uint64_t small = scaled(100'000);
    constexpr std::size_t connections = 32;
    BareRelay relay(connections);
    for (std::uint64_t i = 0; i < small; ++i) relay.submit(0, i % 1000);
    for (std::uint64_t i = 1; i <= small; ++i) relay.submit(i, 0);
    const TokenId greedy{1};
    const MonoTime began = relay.now().mono;
    MonoTime last_small = began;
    std::uint64_t of_greedy = 0;
    std::uint64_t of_greedy_before_last_small = 0;
    relay.delivered = [&](const Assignment& assignment) {
        if (assignment.lane.token == greedy) {
            ++of_greedy;
        } else {
            last_small = relay.now().mono;
            of_greedy_before_last_small = of_greedy;
        }
    };
    relay.run_until(began + std::chrono::hours(24));
    EXPECT_EQ(relay.relay().destination().queued(), 0U);
    EXPECT_EQ(of_greedy, small);
    const auto waited = std::chrono::duration_cast<Milliseconds>(last_small - began);
    // The greedy token gets one turn in each round, and at most a part of what is loaded.
    EXPECT_LE(of_greedy_before_last_small, small / 10 + 100);
    const auto alone = relay.takes * static_cast<std::int64_t>(small / connections);
    EXPECT_LE(waited, alone * 3 / 2 + Seconds(2));
    std::cout << fmt::format(
        "{} tokens with one event each beside one with {}: the last of the small ones has waited "
        "{} ({} without the other), the greedy one had {} turns by then\n",
        small, small, format_duration(waited), format_duration(alone), of_greedy_before_last_small);
}

double microseconds_a_step(std::uint64_t tokens, std::uint64_t lanes_each) {
    Scheduler scheduler({}, Random(1));
    Now now = start_of_time;
    std::uint64_t seq = 0;
    for (std::uint64_t lane = 0; lane < lanes_each; ++lane) {
        for (std::uint64_t token = 1; token <= tokens; ++token) {
            QueuedEvent event;
            event.seq = Seq{++seq};
            event.lane = LaneId{TokenId{token}, lane};
            event.accepted = now.wall;
            event.expires = WallTime::max();
            scheduler.enqueue(event);
        }
    }
    Random random(2);
    constexpr int steps = 200'000;
    const std::clock_t began = std::clock();
    for (int i = 0; i < steps; ++i) {
        now.mono += Milliseconds(1);
        const auto assignment = scheduler.next(now);
        if (!assignment) continue;
        Judgement judgement;
        judgement.verdict = random.chance(0.3) ? Verdict::retry : Verdict::delivered;
        scheduler.complete(assignment->seq, judgement, now);
        static_cast<void>(scheduler.next_wakeup(now));
        QueuedEvent event;
        event.seq = Seq{++seq};
        event.lane = assignment->lane;
        event.accepted = now.wall;
        event.expires = WallTime::max();
        scheduler.enqueue(event);
    }
    return 1e6 * static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC / steps;
}

TEST(Scale, AStepCostsHardlyMoreWithAMillionLanes) {
    const double few = microseconds_a_step(10, 100);
    const double many = microseconds_a_step(scaled(100'000), 10);
    std::cout << fmt::format(
        "a step of the scheduler: {:.2f} us with 10 tokens and 1000 lanes, {:.2f} us with 100000 "
        "tokens and a million lanes\n",
        few, many);
    // A thousand times as many lanes. The memory of a million lanes exceeds any cache.
    EXPECT_LT(many, 30 * few + 5);
}

}  // namespace
}  // namespace flowrelay::test
