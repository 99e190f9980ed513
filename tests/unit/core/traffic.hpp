// The scheduler before a server that has limits and sick parts, under virtual time: how much is
// delivered, and how long the events of each token wait.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/core/scheduler.hpp"

namespace flowrelay::test {

using namespace std::chrono_literals;
using core::AttemptResult;

struct Reply {
    AttemptResult result;
    MonoTime::duration takes{};
};

inline Reply status(int code, MonoTime::duration takes = 1ms,
                    std::optional<Milliseconds> retry_after = std::nullopt) {
    Reply reply;
    reply.result.status = code;
    reply.result.retry_after = retry_after;
    reply.takes = takes;
    return reply;
}

inline Reply hang(Milliseconds timeout = 30s) {
    Reply reply;
    reply.result.end = core::AttemptEnd::timed_out;
    reply.takes = timeout;
    return reply;
}

/// What a server does with a request.
using Answer = std::function<Reply(LaneId lane, MonoTime now)>;

/// nginx's limit_req: a leaky bucket that is looked at in whole milliseconds.
class LimitReq {
public:
    LimitReq(double rate, double burst, bool delays = false)
        : rate_(rate), burst_(burst), delays_(delays) {}

    /// The delay before the request is passed on; nothing: it is refused.
    std::optional<MonoTime::duration> take(MonoTime now) {
        const auto ms = std::chrono::floor<Milliseconds>(now.time_since_epoch()).count();
        const double since = last_ ? static_cast<double>(ms - *last_) / 1000 : 1e9;
        const double excess = std::max(excess_ - rate_ * since + 1, 0.0);
        if (last_ && excess > burst_) return std::nullopt;
        excess_ = last_ ? excess : 0;
        last_ = ms;
        if (!delays_) return MonoTime::duration::zero();
        return std::chrono::duration_cast<MonoTime::duration>(
            std::chrono::duration<double>(excess_ / rate_));
    }

private:
    double rate_;
    double burst_;
    bool delays_;
    double excess_ = 0;
    std::optional<std::int64_t> last_;
};

/// nginx's limit_conn: so many requests at a time.
class LimitConn {
public:
    explicit LimitConn(std::size_t limit) : limit_(limit) {}

    bool take(MonoTime now, MonoTime::duration takes) {
        ends_.erase(ends_.begin(), ends_.upper_bound(now));
        if (ends_.size() >= limit_) return false;
        ends_.insert(now + takes);
        return true;
    }

private:
    std::size_t limit_;
    std::multiset<MonoTime> ends_;
};

class Traffic {
public:
    explicit Traffic(Answer answer, std::uint64_t seed = 1, core::SchedulerOptions options = {})
        : answer_(std::move(answer)), options_(options), scheduler_(options, Random(seed)) {}

    /// An event is accepted then.
    void submit(std::uint64_t token, std::uint64_t thread, MonoTime::duration after) {
        agenda_.emplace(start + after, [this, token, thread] {
            const Seq seq{++last_seq_};
            accepted_[seq] = now_.mono;
            scheduler_.enqueue({seq, {TokenId(token), thread}, now_.wall, WallTime::max(), 500});
        });
    }

    /// Goes on until that time after the start, or until nothing is queued or to come.
    void run(MonoTime::duration time) {
        const MonoTime end = start + time;
        while (now_.mono < end) {
            begin();
            if (agenda_.empty() && scheduler_.status().queued == 0) break;
            MonoTime next = end;
            if (!agenda_.empty()) next = std::min(next, agenda_.begin()->first);
            if (const auto wakeup = scheduler_.next_wakeup(now_)) {
                next = std::min(next, std::max(*wakeup, now_.mono + timer_step));
            }
            expect_nothing_sooner(next);
            pass_to(next);
            while (!agenda_.empty() && agenda_.begin()->first <= now_.mono) {
                auto item = agenda_.extract(agenda_.begin());
                item.mapped()();
            }
        }
    }

    /// How much longer than another a request, and an answer, may be on its way: a network, and
    /// programs that wait for a processor.
    void set_lag(MonoTime::duration lag) { lag_ = lag; }

    core::Scheduler& scheduler() { return scheduler_; }
    std::uint64_t requests() const { return requests_; }
    std::uint64_t delivered() const {
        std::uint64_t sum = 0;
        for (const auto& [token, delays] : delays_) sum += delays.size();
        return sum;
    }
    std::uint64_t delivered(std::uint64_t token) { return delays_[token].size(); }
    /// Of the deliveries, since the start.
    MonoTime::duration last_delivery() const { return last_delivery_ - start; }
    MonoTime::duration now() const { return now_.mono - start; }

    /// From acceptance to delivery, the 99th percentile; what still waits has waited until now.
    Milliseconds p99(std::uint64_t token) {
        auto delays = delays_[token];
        for (const auto& [seq, at] : accepted_) {
            const auto why = scheduler_.why(seq);
            if (why && why->lane.token == TokenId(token)) delays.push_back(now_.mono - at);
        }
        if (delays.empty()) return 0ms;
        std::ranges::sort(delays);
        return std::chrono::ceil<Milliseconds>(delays[delays.size() * 99 / 100]);
    }

    /// The longest from acceptance to delivery, of those that are delivered.
    Milliseconds longest(std::uint64_t token) {
        const auto& delays = delays_[token];
        return delays.empty() ? 0ms : std::chrono::ceil<Milliseconds>(std::ranges::max(delays));
    }

    std::function<void(const core::Completion&)> completed = [](const core::Completion&) {};

    static constexpr MonoTime start{std::chrono::hours(1)};

private:
    static constexpr auto timer_step = std::chrono::microseconds(100);

    void begin() {
        while (under_way_ < options_.max_in_flight) {
            const auto given = scheduler_.next(now_);
            if (!given) return;
            ++requests_;
            ++under_way_;
            agenda_.emplace(now_.mono + some_lag(), [this, given, begun = now_.mono] {
                Reply reply = answer_(given->lane, now_.mono);
                reply.takes += some_lag();
                reply.result.elapsed = now_.mono + reply.takes - begun;
                agenda_.emplace(now_.mono + reply.takes,
                                [this, given, result = reply.result] { end(*given, result); });
            });
        }
    }

    void end(const core::Assignment& given, const AttemptResult& result) {
        --under_way_;
        const auto completion = scheduler_.complete(given.seq, core::judge(result, 1h), now_);
        completed(completion);
        if (completion.action == core::Completion::Action::retry) return;
        delays_[to_number(given.lane.token)].push_back(now_.mono - accepted_[given.seq]);
        accepted_.erase(given.seq);
        last_delivery_ = now_.mono;
    }

    /// What the scheduler did not name a time for does not come before the next thing happens.
    void expect_nothing_sooner(MonoTime next) {
        if (under_way_ >= options_.max_in_flight || next - now_.mono < 2 * timer_step) return;
        const auto between = static_cast<std::uint64_t>((next - now_.mono).count()) - 1;
        const MonoTime::duration after(1 + static_cast<std::int64_t>(random_.below(between)));
        const Now at{now_.mono + after, now_.wall + std::chrono::floor<Milliseconds>(after)};
        EXPECT_FALSE(scheduler_.next(at))
            << "an event may be sent and nobody wakes up for it, "
            << std::chrono::duration<double>(at.mono - start).count() << " s after the start";
    }

    MonoTime::duration some_lag() {
        return MonoTime::duration(random_.below(static_cast<std::uint64_t>(lag_.count()) + 1));
    }

    void pass_to(MonoTime time) {
        const MonoTime begun = now_.mono;
        now_.mono = time;
        now_.wall += std::chrono::floor<Milliseconds>(time.time_since_epoch()) -
                     std::chrono::floor<Milliseconds>(begun.time_since_epoch());
    }

    Answer answer_;
    core::SchedulerOptions options_;
    core::Scheduler scheduler_;
    Random random_{99};
    Now now_{start, WallTime(Seconds(1'700'000'000))};
    std::multimap<MonoTime, std::function<void()>> agenda_;
    std::map<Seq, MonoTime> accepted_;
    std::map<std::uint64_t, std::vector<MonoTime::duration>> delays_;
    std::uint64_t last_seq_ = 0;
    std::uint64_t requests_ = 0;
    std::size_t under_way_ = 0;
    MonoTime last_delivery_ = start;
    MonoTime::duration lag_ = std::chrono::microseconds(100);  // no two ways take the same time
};

}  // namespace flowrelay::test
