// What the log tells of a bad day: a million events come in while the destination is away, in every
// way in which it can be away. It must be few lines, and they must tell what happened.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/core/relay.hpp"
#include "flowrelay/core/summing_log.hpp"

namespace flowrelay::core {
namespace {

/// Keeps the lines that an operator sees with log.level: info.
class StoryLog final : public Log {
public:
    explicit StoryLog(const Clock& clock) : clock_(clock) {}
    using Log::write;
    bool enabled(Severity severity) const noexcept override { return severity >= Severity::info; }
    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override {
        std::string line = fmt::format("{} {} {}", format_time(clock_.now().wall).substr(8, 11),
                                       to_string(event.severity), event.name);
        for (const LogField& field : fields) {
            line += fmt::format(
                " {}={}", field.key,
                std::visit([](auto value) { return fmt::format("{}", value); }, field.value));
        }
        lines.push_back(std::move(line));
    }
    std::vector<std::string> named(std::string_view name) const {
        std::vector<std::string> found;
        for (const auto& line : lines) {
            if (line.find(fmt::format(" {} ", name)) != std::string::npos) found.push_back(line);
        }
        return found;
    }
    std::string all() const {
        std::string text;
        for (const auto& line : lines) text += line + '\n';
        return text;
    }
    std::vector<std::string> lines;

private:
    const Clock& clock_;
};

class VirtualClock final : public Clock {
public:
    Now now() const override { return now_; }
    void advance_to(MonoTime time) {
        const auto step = std::chrono::ceil<Milliseconds>(time - now_.mono);
        now_.mono += step;
        now_.wall += step;
    }

private:
    Now now_{MonoTime(Seconds(1000)), WallTime(Milliseconds(1'795'392'000'000))};
};

using Answer = std::function<AttemptResult(const Assignment&, Milliseconds since_start)>;

/// A relay whose disk is a list.
class Day {
public:
    explicit Day(Answer answer) : answer_(std::move(answer)) {
        std::vector<ConfiguredSource> sources;
        for (const char* name : {"ci", "tickets", "web", "cron", "backup"}) {
            ConfiguredSource source;
            source.name = name;
            source.secret = Secret(fmt::format("{:032x}", ++secrets_));
            sources.push_back(std::move(source));
        }
        for (const auto& entry : relay_.configure(std::move(sources), clock_.now())) {
            relay_.tokens().mark_durable(entry);
            tokens_.push_back(entry.id);
        }
    }

    /// Takes `count` events in, one each `gap`, and goes on with deliveries meanwhile.
    void accept(std::size_t count, std::chrono::microseconds gap) {
        MonoTime next = clock_.now().mono;
        for (std::size_t i = 0; i < count; ++i) {
            next += gap;
            run_until(next);
            const std::size_t token = events_.size() % tokens_.size();
            EventRecord record;
            record.token = tokens_[token];
            record.thread_hash = events_.size() / tokens_.size() % 300;
            record.accepted = clock_.now().wall;
            const Seq seq{events_.size() + 1};
            events_.push_back(
                {seq, {record.token, record.thread_hash}, record.accepted, record.expires, 500});
            of_token_[record.token].push_back(events_.size() - 1);
            relay_.admission().committed(record, seq);
        }
    }

    void drain() {
        while (relay_.destination().queued() > 0) run_until(clock_.now().mono + Seconds(60));
        for (int minute = 0; minute < 3; ++minute) run_until(clock_.now().mono + Seconds(60));
    }

    StoryLog story{clock_};
    std::uint64_t dead = 0;

private:
    static RelayOptions options() {
        RelayOptions options;
        options.destination = "https://api.example.com";
        return options;
    }

    void run_until(MonoTime end) {
        while (true) {
            const bool busy = post();
            const auto wakeup = relay_.next_wakeup(clock_.now());
            const MonoTime again = busy ? clock_.now().mono + Milliseconds(10) : end;
            const MonoTime next = std::min({end, again, wakeup.value_or(end), next_flush_});
            clock_.advance_to(std::max(next, clock_.now().mono + Milliseconds(1)));
            if (clock_.now().mono >= next_flush_) {
                log_.flush();
                next_flush_ = clock_.now().mono + Seconds(60);
            }
            if (clock_.now().mono >= end) return;
        }
    }

    /// At most 32 requests, which take 10 ms together; gives whether there may be more.
    bool post() {
        for (int i = 0; i < 32; ++i) {
            load();
            const auto assignment = relay_.delivery().next(clock_.now());
            if (!assignment) return false;
            EventRecord record;
            record.token = assignment->lane.token;
            record.id = fmt::format("event-{}", to_number(assignment->seq));
            record.thread = fmt::format("x:build-{}", assignment->lane.thread_hash);
            const auto since = std::chrono::duration_cast<Milliseconds>(clock_.now().mono - start_);
            const auto effects = relay_.delivery().attempted(
                *assignment, record, answer_(*assignment, since), clock_.now());
            dead += effects.bury.size();
            for (const auto& letter : effects.bury) relay_.letters().buried({&letter.seq, 1});
        }
        return true;
    }

    void load() {
        while (const auto request = relay_.destination().active().next_load()) {
            LoadedSlice slice;
            const auto& own = of_token_[request->token];
            auto at = std::ranges::upper_bound(own, request->after, {},
                                               [&](std::size_t i) { return events_[i].seq; });
            slice.end = request->after;
            for (int looked_at = 0; at != own.end() && slice.events.size() < request->limit;
                 ++at, ++looked_at) {
                if (looked_at == 10'000) break;
                const QueuedEvent& event = events_[*at];
                slice.end = event.seq;
                const bool fits =
                    !request->thread_hash || *request->thread_hash == event.lane.thread_hash;
                if (fits) slice.events.push_back(event);
            }
            slice.complete = at == own.end();
            relay_.destination().loaded(*request, slice);
        }
    }

    Answer answer_;
    VirtualClock clock_;
    MonoTime start_ = clock_.now().mono;
    MonoTime next_flush_ = start_ + Seconds(60);
    SummingLog log_{story, clock_};
    Relay relay_{options(), Salt{}, {}, Random(7), log_};
    unsigned secrets_ = 0;
    std::vector<TokenId> tokens_;
    std::vector<QueuedEvent> events_;
    std::map<TokenId, std::vector<std::size_t>> of_token_;
};

AttemptResult response(int status, std::string detail = {}) {
    AttemptResult result;
    result.status = status;
    result.detail = std::move(detail);
    return result;
}

AttemptResult failure(AttemptEnd end, std::string detail) {
    AttemptResult result;
    result.end = end;
    result.detail = std::move(detail);
    return result;
}

/// What a destination does in the worst day of its year.
AttemptResult bad_day(const Assignment& assignment, Milliseconds since) {
    using std::chrono::hours;
    using std::chrono::minutes;
    if (since < minutes(10)) return response(202);
    if (since < hours(6)) {
        return failure(AttemptEnd::connect_failed, "cannot connect: Connection refused");
    }
    if (since < hours(9)) return failure(AttemptEnd::timed_out, "no answer within 30s");
    if (since < hours(11)) {
        auto result = response(503, "maintenance");
        result.retry_after = Seconds(2);
        return result;
    }
    if (since < hours(14)) return response(500, "internal error");
    if (since < hours(15)) return response(404, "no such page");
    if (since < hours(20)) {
        return failure(AttemptEnd::tls_failed, "the certificate has expired");
    }
    // It comes and goes, a minute each.
    if (since < hours(22)) {
        if (since / minutes(1) % 2 == 0) return response(202);
        return failure(AttemptEnd::connect_failed, "cannot connect: Connection refused");
    }
    if (since < hours(24)) {
        return failure(AttemptEnd::resolve_failed, "the name has no address");
    }
    // Well again, but one source is asked to go slowly, some events are refused, one thread fails.
    if (since < hours(26) && assignment.lane.token == TokenId{1}) {
        auto result = response(429, "slow down");
        result.retry_after = Seconds(1);
        return result;
    }
    if (to_number(assignment.seq) % 5000 == 0) return response(422, "title is too long");
    if (since < hours(26) && assignment.lane.thread_hash == 42) return response(500, "oops");
    return response(202);
}

TEST(OutageStory, ReportsADayOfTroubleWithAMillionEventsInUnderAHundredLines) {
    Day day(bad_day);
    day.accept(1'000'000, std::chrono::microseconds(86'400));
    day.drain();
    EXPECT_LT(day.story.lines.size(), 100U) << day.story.all();
    EXPECT_GT(day.dead, 0U);
    // Each chapter has its line.
    const auto down = day.story.named("destination.down");
    const auto says = [&](const auto& lines, std::string_view words) {
        return std::ranges::any_of(
            lines, [&](const auto& line) { return line.find(words) != std::string::npos; });
    };
    EXPECT_TRUE(says(down, "Connection refused"));
    EXPECT_TRUE(says(down, "no answer within 30s"));
    EXPECT_TRUE(says(down, "the certificate has expired"));
    EXPECT_TRUE(says(down, "the name has no address"));
    EXPECT_TRUE(says(day.story.named("destination.held"), "maintenance"));
    EXPECT_TRUE(says(day.story.named("destination.parked"), "no such page"));
    EXPECT_TRUE(says(day.story.named("token.throttled"), "slow down"));
    EXPECT_TRUE(says(day.story.named("delivery.dead"), "title is too long"));
    EXPECT_TRUE(says(day.story.named("delivery.retry"), "oops"));
    EXPECT_FALSE(day.story.named("destination.up").empty());
}

}  // namespace
}  // namespace flowrelay::core
