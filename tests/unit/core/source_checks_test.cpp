#include "flowrelay/core/source_checks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace flowrelay::core {
namespace {

constexpr Milliseconds one_day = std::chrono::hours(24);
const MonoTime checks_start{Seconds(1000)};

AttemptResult answered_with(int status) {
    AttemptResult result;
    result.status = status;
    return result;
}

TEST(SourceLife, IsToldByTheStatus) {
    const std::map<int, SourceLife> lives{
        {404, SourceLife::unknown},    {405, SourceLife::unknown},    {410, SourceLife::gone},
        {401, SourceLife::refused},    {402, SourceLife::refused},    {403, SourceLife::refused},
        {408, SourceLife::unanswered}, {429, SourceLife::unanswered}, {500, SourceLife::unanswered},
        {503, SourceLife::unanswered}, {302, SourceLife::strange},    {400, SourceLife::strange},
        {422, SourceLife::strange}};
    for (const auto& [status, life] : lives) {
        EXPECT_EQ(life_of(answered_with(status), false), life) << status;
        EXPECT_EQ(life_of(answered_with(status), true), life) << status;
    }
    EXPECT_EQ(life_of(answered_with(200), true), SourceLife::found);
    EXPECT_EQ(life_of(answered_with(200), false), SourceLife::strange);
    AttemptResult lost;
    lost.end = AttemptEnd::timed_out;
    lost.status = 410;
    EXPECT_EQ(life_of(lost, true), SourceLife::unanswered);
}

TEST(SourceLife, ASourceIsAnObjectWithAnId) {
    EXPECT_TRUE(is_source(R"({"id": 36, "name": "ci"})"));
    for (const char* body : {"", "{}", "[]", "null", "<html>", R"([{"id": 1}])", R"({"id": 1)"}) {
        EXPECT_FALSE(is_source(body)) << body;
    }
}

/// The times at which one source is asked for, while it is found.
std::set<MonoTime> asked_at(SourceChecks& checks, MonoTime from, Milliseconds time) {
    std::set<MonoTime> times;
    MonoTime now = from;
    while (true) {
        const auto next = checks.next_wakeup();
        if (!next || *next > from + time) return times;
        now = std::max(now, *next);
        const auto token = checks.due(now);
        if (!token) continue;
        checks.begin(*token);
        EXPECT_FALSE(checks.end(SourceLife::found, std::nullopt, now));
        times.insert(now);
    }
}

TEST(SourceChecks, AnIdleSourceIsAskedForOnceInAnInterval) {
    SourceChecks checks(Random(1));
    checks.set_interval(one_day, checks_start);
    checks.watch(TokenId{1}, checks_start);
    const auto times = asked_at(checks, checks_start, 100 * one_day);
    EXPECT_LE(*times.begin(), checks_start + one_day) << "a relay that starts often asks as well";
    EXPECT_GE(times.size(), 90U);
    EXPECT_LE(times.size(), 112U);
    for (auto at = std::next(times.begin()); at != times.end(); ++at) {
        EXPECT_GE(*at - *std::prev(at), one_day - one_day / 10);
        EXPECT_LE(*at - *std::prev(at), one_day + one_day / 10);
    }
}

TEST(SourceChecks, SourcesAreSpreadOverTheInterval) {
    SourceChecks checks(Random(7));
    checks.set_interval(one_day, checks_start);
    for (std::uint64_t id = 1; id <= 240; ++id) checks.watch(TokenId{id}, checks_start);
    std::map<int, int> in_hour;
    for (const MonoTime at : asked_at(checks, checks_start, one_day - Milliseconds(1))) {
        ++in_hour[static_cast<int>((at - checks_start) / std::chrono::hours(1))];
    }
    for (const auto& [hour, sources] : in_hour) EXPECT_LE(sources, 40) << hour;
    EXPECT_GE(in_hour.size(), 20U);
}

TEST(SourceChecks, OneThatIsHeardOfIsNotIdle) {
    SourceChecks checks(Random(1));
    checks.set_interval(one_day, checks_start);
    checks.watch(TokenId{1}, checks_start);
    MonoTime now = checks_start;
    for (int hour = 0; hour < 240; ++hour) {
        checks.heard(TokenId{1}, now);
        now += std::chrono::hours(1);
        EXPECT_FALSE(checks.due(now));
    }
    EXPECT_FALSE(checks.due(now + one_day / 2));
    EXPECT_TRUE(checks.due(now + one_day + one_day / 5));
}

TEST(SourceChecks, OneRequestIsUnderWayAtATime) {
    SourceChecks checks(Random(1));
    checks.set_interval(one_day, checks_start);
    checks.watch(TokenId{1}, checks_start);
    checks.watch(TokenId{2}, checks_start);
    const MonoTime late = checks_start + 2 * one_day;
    const auto first = checks.due(late);
    ASSERT_TRUE(first);
    checks.begin(*first);
    EXPECT_FALSE(checks.due(late));
    EXPECT_FALSE(checks.next_wakeup());
    checks.end(SourceLife::found, std::nullopt, late);
    const auto second = checks.due(late);
    ASSERT_TRUE(second);
    EXPECT_NE(*first, *second);
}

TEST(SourceChecks, WithoutAnAnswerItIsAskedAgainInAnHourOrWhenTheServerSays) {
    SourceChecks checks(Random(1));
    checks.set_interval(one_day, checks_start);
    checks.watch(TokenId{1}, checks_start);
    MonoTime now = checks_start + one_day;
    checks.begin(*checks.due(now));
    EXPECT_TRUE(checks.end(SourceLife::unanswered, std::nullopt, now));
    EXPECT_EQ(checks.next_wakeup(), now + Seconds(3600));
    now += Seconds(3600);
    checks.begin(*checks.due(now));
    EXPECT_FALSE(checks.end(SourceLife::unanswered, Seconds(7200), now)) << "no news";
    EXPECT_EQ(checks.next_wakeup(), now + Seconds(7200));
    now += Seconds(7200);
    checks.begin(*checks.due(now));
    EXPECT_TRUE(checks.end(SourceLife::unknown, std::nullopt, now));
    EXPECT_GE(*checks.next_wakeup(), now + one_day - one_day / 10);
}

TEST(SourceChecks, NoneIsAskedForWhenThatIsOff) {
    SourceChecks checks(Random(1));
    checks.watch(TokenId{1}, checks_start);
    EXPECT_FALSE(checks.next_wakeup());
    EXPECT_FALSE(checks.due(checks_start + 100 * one_day));
    checks.set_interval(one_day, checks_start);
    EXPECT_TRUE(checks.due(checks_start + one_day));
    checks.set_interval(Milliseconds(0), checks_start);
    EXPECT_FALSE(checks.due(checks_start + one_day));
    // An operator can ask nevertheless.
    checks.begin(TokenId{1});
    EXPECT_TRUE(checks.busy());
    checks.end(SourceLife::found, std::nullopt, checks_start);
    EXPECT_FALSE(checks.next_wakeup());
    checks.begin(TokenId{2});
    checks.release(checks_start);
    EXPECT_FALSE(checks.busy());
}

TEST(SourceChecks, OneThatIsForgottenWhileItIsAskedForDoesNotComeBack) {
    SourceChecks checks(Random(1));
    checks.set_interval(one_day, checks_start);
    checks.watch(TokenId{1}, checks_start);
    checks.begin(TokenId{1});
    checks.forget(TokenId{1});
    checks.end(SourceLife::gone, std::nullopt, checks_start);
    EXPECT_FALSE(checks.next_wakeup());
    EXPECT_EQ(checks.watched(), 0U);
}

}  // namespace
}  // namespace flowrelay::core
