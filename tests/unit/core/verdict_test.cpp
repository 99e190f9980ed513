#include "flowrelay/core/verdict.hpp"

#include <gtest/gtest.h>

#include <set>

namespace flowrelay::core {
namespace {

constexpr Milliseconds cap{3'600'000};

AttemptResult response(int status, std::optional<Milliseconds> retry_after = std::nullopt) {
    AttemptResult attempt;
    attempt.end = AttemptEnd::response;
    attempt.status = status;
    attempt.retry_after = retry_after;
    return attempt;
}

AttemptResult failure(AttemptEnd end) {
    AttemptResult attempt;
    attempt.end = end;
    return attempt;
}

TEST(Judge, AConflictWithARequestBeforeIsTriedAgain) {
    AttemptResult attempt;
    attempt.status = 409;
    attempt.retry_after = Milliseconds(7000);
    EXPECT_EQ(judge(attempt, Seconds(60)).verdict, Verdict::rejected);
    EXPECT_FALSE(judge(attempt, Seconds(60)).event_hold);
    const Judgement later = judge(attempt, Seconds(5), true);
    EXPECT_EQ(later.verdict, Verdict::retry);
    EXPECT_EQ(later.event_hold, Seconds(5));
    EXPECT_FALSE(later.hold) << "others are not meant";
    EXPECT_FALSE(later.server_error);
    attempt.sent_before = true;
    EXPECT_EQ(judge(attempt, Seconds(60)).verdict, Verdict::retry);
    attempt.status = 422;
    EXPECT_EQ(judge(attempt, Seconds(60), true).verdict, Verdict::rejected);
}

TEST(Judge, WhatIsTooLargeForNowIsTriedAgain) {
    EXPECT_EQ(judge(response(413), cap).verdict, Verdict::rejected);
    for (const Seconds asked : {Seconds(-1), Seconds(0), Seconds(1), Seconds(100'000)}) {
        const Judgement judgement = judge(response(413, asked), cap);
        EXPECT_EQ(judgement.verdict, Verdict::retry);
        EXPECT_EQ(judgement.event_hold, std::clamp<Milliseconds>(asked, Seconds(0), cap));
        EXPECT_FALSE(judgement.hold) << "others are not meant";
        EXPECT_FALSE(judgement.server_error);
        EXPECT_FALSE(judgement.too_fast);
    }
    for (const int status : {400, 415, 422, 431}) {
        EXPECT_EQ(judge(response(status, Seconds(5)), cap).verdict, Verdict::rejected) << status;
    }
}

TEST(Judge, ARefusalOfTheProxyParksTheDestination) {
    AttemptResult attempt;
    attempt.end = AttemptEnd::proxy_failed;
    EXPECT_EQ(judge(attempt, Seconds(60)).verdict, Verdict::retry);
    attempt.proxy_refused = true;
    EXPECT_EQ(judge(attempt, Seconds(60)).verdict, Verdict::park_destination);
    EXPECT_FALSE(judge(attempt, Seconds(60)).connection_failure);
}

TEST(Judge, AnUnexpectedSuccessParksTheDestination) {
    AttemptResult attempt;
    attempt.status = 200;
    attempt.unexpected = true;
    EXPECT_EQ(judge(attempt, Seconds(60)).verdict, Verdict::park_destination);
}

struct StatusCase {
    int status;
    Verdict verdict;
    bool server_error = false;
};

class StatusVerdict : public testing::TestWithParam<StatusCase> {};

INSTANTIATE_TEST_SUITE_P(
    Table, StatusVerdict,
    testing::Values(
        StatusCase{200, Verdict::delivered}, StatusCase{201, Verdict::delivered},
        StatusCase{202, Verdict::delivered}, StatusCase{204, Verdict::delivered},
        StatusCase{299, Verdict::delivered}, StatusCase{300, Verdict::park_destination},
        StatusCase{301, Verdict::park_destination}, StatusCase{302, Verdict::park_destination},
        StatusCase{304, Verdict::park_destination}, StatusCase{307, Verdict::park_destination},
        StatusCase{308, Verdict::park_destination}, StatusCase{399, Verdict::park_destination},
        StatusCase{400, Verdict::rejected}, StatusCase{401, Verdict::park_token},
        StatusCase{402, Verdict::park_token}, StatusCase{403, Verdict::park_token},
        StatusCase{404, Verdict::park_destination}, StatusCase{405, Verdict::park_destination},
        StatusCase{406, Verdict::park_destination}, StatusCase{407, Verdict::park_destination},
        StatusCase{408, Verdict::retry}, StatusCase{409, Verdict::rejected},
        StatusCase{410, Verdict::gone}, StatusCase{411, Verdict::park_destination},
        StatusCase{413, Verdict::rejected}, StatusCase{415, Verdict::rejected},
        StatusCase{418, Verdict::park_destination}, StatusCase{421, Verdict::park_destination},
        StatusCase{422, Verdict::rejected}, StatusCase{425, Verdict::retry},
        StatusCase{426, Verdict::park_destination}, StatusCase{429, Verdict::throttled},
        StatusCase{431, Verdict::rejected}, StatusCase{451, Verdict::park_destination},
        StatusCase{499, Verdict::rejected}, StatusCase{500, Verdict::retry, true},
        StatusCase{501, Verdict::park_destination}, StatusCase{502, Verdict::retry, true},
        StatusCase{503, Verdict::retry, true}, StatusCase{504, Verdict::retry, true},
        StatusCase{507, Verdict::retry, true}, StatusCase{520, Verdict::retry, true},
        StatusCase{599, Verdict::retry, true}, StatusCase{600, Verdict::retry, true},
        StatusCase{999, Verdict::retry, true}, StatusCase{101, Verdict::retry, true},
        StatusCase{0, Verdict::retry, true}, StatusCase{-1, Verdict::retry, true}),
    [](const auto& status) {
        const int code = status.param.status;
        return "Status" + (code < 0 ? std::string("Negative") : std::to_string(code));
    });

TEST_P(StatusVerdict, IsThatOfTheTable) {
    EXPECT_EQ(judge(response(GetParam().status), cap).verdict, GetParam().verdict);
}
TEST_P(StatusVerdict, CountsAgainstTheBreakerOnlyAsServerError) {
    const Judgement judgement = judge(response(GetParam().status), cap);
    EXPECT_EQ(judgement.server_error, GetParam().server_error);
    EXPECT_FALSE(judgement.connection_failure);
}
TEST_P(StatusVerdict, MayBeALimitOnlyOf429And503) {
    const int status = GetParam().status;
    EXPECT_EQ(judge(response(status), cap).too_fast, status == 429 || status == 503);
}
TEST_P(StatusVerdict, IsAmbiguousOnlyAfterAnUnansweredTryOfTheSameAttempt) {
    AttemptResult attempt = response(GetParam().status);
    EXPECT_FALSE(judge(attempt, cap).ambiguous);
    attempt.sent_before = true;
    EXPECT_TRUE(judge(attempt, cap).ambiguous);
    const bool waits = GetParam().status == 409;  // the first one is being worked on
    EXPECT_EQ(judge(attempt, cap).verdict, waits ? Verdict::retry : GetParam().verdict);
}
TEST_P(StatusVerdict, TakesTheTimeOfTheExchangeAlong) {
    AttemptResult attempt = response(GetParam().status);
    EXPECT_EQ(judge(attempt, cap).elapsed, MonoTime::duration::zero());
    attempt.elapsed = Milliseconds(7);
    EXPECT_EQ(judge(attempt, cap).elapsed, Milliseconds(7));
}
TEST_P(StatusVerdict, HoldsOnlyWhenThrottledOrUnavailable) {
    const bool holds = GetParam().status == 429 || GetParam().status == 503;
    EXPECT_EQ(judge(response(GetParam().status, Seconds(7)), cap).hold.has_value(), holds);
    EXPECT_EQ(judge(response(GetParam().status), cap).hold, std::nullopt);
}

TEST(VerdictHold, IsWhatTheServerAsks) {
    EXPECT_EQ(judge(response(503, Seconds(7)), cap).hold, Seconds(7));
}
TEST(VerdictHold, MayBeZero) {
    EXPECT_EQ(judge(response(429, Seconds(0)), cap).hold, Seconds(0));
}
TEST(VerdictHold, IsCapped) {
    EXPECT_EQ(judge(response(429, Seconds(100'000)), cap).hold, cap);
}
TEST(VerdictHold, IsNeverNegative) {
    EXPECT_EQ(judge(response(429, Seconds(-1)), cap).hold, Seconds(0));
}

struct FailureCase {
    AttemptEnd end;
    bool ambiguous;
};

class FailureVerdict : public testing::TestWithParam<FailureCase> {};

INSTANTIATE_TEST_SUITE_P(Table, FailureVerdict,
                         testing::Values(FailureCase{AttemptEnd::resolve_failed, false},
                                         FailureCase{AttemptEnd::connect_failed, false},
                                         FailureCase{AttemptEnd::proxy_failed, false},
                                         FailureCase{AttemptEnd::tls_failed, false},
                                         FailureCase{AttemptEnd::write_failed, false},
                                         FailureCase{AttemptEnd::timed_out, true},
                                         FailureCase{AttemptEnd::broken_response, true}),
                         [](const auto& end) { return std::string(to_string(end.param.end)); });

TEST_P(FailureVerdict, IsRetry) {
    EXPECT_EQ(judge(failure(GetParam().end), cap).verdict, Verdict::retry);
}
TEST_P(FailureVerdict, IsAmbiguousOnceTheRequestIsWritten) {
    EXPECT_EQ(judge(failure(GetParam().end), cap).ambiguous, GetParam().ambiguous);
}
TEST_P(FailureVerdict, IsAmbiguousAfterAnUnansweredTryOfTheSameAttempt) {
    AttemptResult attempt = failure(GetParam().end);
    attempt.sent_before = true;
    EXPECT_TRUE(judge(attempt, cap).ambiguous);
}
TEST_P(FailureVerdict, CountsAgainstTheBreaker) {
    const Judgement judgement = judge(failure(GetParam().end), cap);
    EXPECT_TRUE(judgement.connection_failure);
    EXPECT_FALSE(judgement.server_error);
}
TEST_P(FailureVerdict, MayBeAboutTheOneEventOnceThatWasSent) {
    const AttemptEnd end = GetParam().end;
    EXPECT_EQ(judge(failure(end), cap).after_sending,
              GetParam().ambiguous || end == AttemptEnd::write_failed);
}
TEST_P(FailureVerdict, HoldsNothing) {
    AttemptResult attempt = failure(GetParam().end);
    attempt.retry_after = Seconds(5);  // of half a response
    EXPECT_EQ(judge(attempt, cap).hold, std::nullopt);
}

TEST(VerdictNames, AreDistinct) {
    std::set<std::string_view> names;
    for (const Verdict verdict :
         {Verdict::delivered, Verdict::gone, Verdict::throttled, Verdict::retry,
          Verdict::park_token, Verdict::park_destination, Verdict::rejected}) {
        names.insert(to_string(verdict));
    }
    EXPECT_EQ(names.size(), 7U);
    EXPECT_FALSE(names.contains("unknown"));
}

TEST(AttemptEndNames, AreDistinct) {
    std::set<std::string_view> names;
    for (const AttemptEnd end :
         {AttemptEnd::response, AttemptEnd::resolve_failed, AttemptEnd::connect_failed,
          AttemptEnd::proxy_failed, AttemptEnd::tls_failed, AttemptEnd::write_failed,
          AttemptEnd::timed_out, AttemptEnd::broken_response}) {
        names.insert(to_string(end));
    }
    EXPECT_EQ(names.size(), 8U);
    EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace flowrelay::core
