#include "cli/status_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/progress.hpp"

namespace flowrelay::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(StatusText, SaysHowManyEventsTheAcceptedCopiesAre) {
    const auto status = [](int events, int copies) {
        return format_status(R"({"accepted": 9, "since_start": {"accepted_events": )" +
                             std::to_string(events) + R"(, "accepted_copies": )" +
                             std::to_string(copies) + "}}")
            .value();
    };
    EXPECT_THAT(status(2, 5), HasSubstr("accepted      9 copies (since the start 5 copies of 2 "
                                        "events)\n"));
    EXPECT_THAT(status(5, 5), HasSubstr("accepted      9\n"));
}

TEST(StatusText, IsATableOfTheLedgerAndTheTokens) {
    EXPECT_EQ(format_status(R"({
        "version": "0.1.0", "state": "running", "uptime_s": 7380, "accepted": 120, "delivered": 100,
        "queued": 15, "in_flight": 3, "dead": 2, "expired": 1, "erased": 2, "dropped": 0,
        "unaccounted": 0, "oldest_age_s": 90, "lanes": 4, "waiting_lanes": 1, "held_lanes": 2, "dead_letters": 3,
        "spool_bytes": 67108864, "spool_max_bytes": 4294967296,
        "destination": {"base_url": "https://api.example.com", "state": "held", "until_s": 30,
                        "reason": "HTTP 503"},
        "tokens": [{"name": "ci", "state": "active", "queued": 12},
                   {"name": "nightly", "state": "parked", "queued": 3, "until_s": 200,
                    "reason": "HTTP 401"}]})")
                  .value(),
              "flowrelayd 0.1.0 is running, up 2h3m\n"
              "destination   https://api.example.com is held, next try in 30s: HTTP 503\n"
              "\n"
              "accepted      120\n"
              "delivered     100\n"
              "queued        15, 3 in flight, 4 threads (1 waiting), 2 held for you, the oldest "
              "for 1m30s\n"
              "dead          2 (3 dead letters kept)\n"
              "expired       1\n"
              "erased        2\n"
              "dropped       0\n"
              "unaccounted   0\n"
              "spool         64.0 MiB of 4.0 GiB (2%)\n"
              "\n"
              "TOKEN    STATE   QUEUED  NEXT   REASON\n"
              "ci       active      12\n"
              "nightly  parked       3  3m20s  HTTP 401\n");
}

std::string drained(std::string_view members) {
    return format_status(R"({"queued":9,"drained":{)" + std::string(members) + "}}").value();
}

TEST(StatusText, SaysHowFastEventsComeAndGo) {
    EXPECT_THAT(format_status(R"({"rates":{"accepted_per_s":0.25,"left_per_s":340.4,"over_s":60}})")
                    .value(),
                HasSubstr("rate          0.25/s accepted, 340/s left, over 1m\n"));
}

TEST(StatusText, SaysWhenTheQueueWillBeEmpty) {
    EXPECT_THAT(drained(R"("state":"drains","from_s":12,"to_s":40,"stuck":0)"),
                HasSubstr("drained       in 12s to 40s at this rate\n"));
    EXPECT_THAT(
        drained(R"("state":"drains","from_s":12,"to_s":12,"stuck":3)"),
        HasSubstr("drained       in about 12s at this rate; 3 stay, of tokens that wait or are "
                  "paused\n"));
    EXPECT_THAT(
        drained(R"("state":"drains","from_s":12,"stuck":0)"),
        HasSubstr("drained       in 12s at the earliest: at times the queue did not shrink\n"));
    EXPECT_THAT(drained(R"("state":"never","stuck":0)"),
                HasSubstr("drained       not at this rate"));
    EXPECT_THAT(drained(R"("state":"held","stuck":0)"),
                HasSubstr("drained       unknown: nothing"));
    EXPECT_THAT(drained(R"("state":"unknown","stuck":0)"),
                HasSubstr("drained       unknown: measured"));
    EXPECT_THAT(drained(R"("state":"empty","stuck":0)"), Not(HasSubstr("drained")));
    EXPECT_THAT(drained(R"("state":"of a later version")"), Not(HasSubstr("drained")));
}

TEST(StatusText, UsesTheSingularForOne) {
    const std::string text =
        format_status(R"({"queued":1,"in_flight":0,"lanes":1,"waiting_lanes":1,"dead":1,
                          "dead_letters":1})")
            .value();
    EXPECT_THAT(text, HasSubstr("queued        1, 0 in flight, 1 thread (1 waiting)\n"));
    EXPECT_THAT(text, HasSubstr("dead          1 (1 dead letter kept)\n"));
}

TEST(StatusText, SaysHowManyTokensItLeavesOut) {
    EXPECT_THAT(format_status(R"({"tokens":[{"name":"ci"}],"tokens_left_out":99000})").value(),
                HasSubstr("\nand 99000 more: `flowrelay source list` has them all\n"));
}

TEST(StatusText, ShowsHowFullTheSpoolIsAsHealthJudgesIt) {
    const auto spool = [](const char* more) {
        return format_status(
                   std::string(R"({"spool_bytes":67108864,"spool_max_bytes":4294967296)") + more +
                   "}")
            .value();
    };
    EXPECT_THAT(spool(R"(,"spool_used_bytes":1048576,"spool_capacity_bytes":4294967296)"),
                HasSubstr("spool         1.0 MiB of 4.0 GiB (0%), in 64.0 MiB of files\n"));
    EXPECT_THAT(
        spool(R"(,"spool_used_bytes":65011712,"spool_capacity_bytes":67108864)"),
        HasSubstr("spool         62.0 MiB of 64.0 MiB (97%), in 64.0 MiB of files; the disk "
                  "has less than spool.max_size, 4.0 GiB\n"));
    EXPECT_THAT(spool(R"(,"spool_used_bytes":0,"spool_capacity_bytes":0)"), HasSubstr("(100%)"));
}

TEST(StatusText, SaysWhatAFailedDiskMeans) {
    EXPECT_THAT(format_status(R"({"state":"storage_failed","version":"1"})").value(),
                HasSubstr("is running, but its disk failed\nNothing more is accepted."));
}

TEST(StatusText, LeavesOutUnknownValues) {
    const std::string text =
        format_status(R"({"tokens":[5,{}],"uptime_s":null,"destination":[]})").value();
    EXPECT_THAT(text, HasSubstr("accepted      -\n"));
    EXPECT_THAT(text, Not(HasSubstr("spool")));
    EXPECT_THAT(text, Not(HasSubstr(", up")));
}

TEST(StatusText, DoesNotLetANameControlTheTerminal) {
    const std::string text =
        format_status(R"({"tokens":[{"name":"a\u001b[2J\nb","state":"active"}]})").value();
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, Not(HasSubstr("\nb")));
}

TEST(StatusText, RejectsTextThatIsNotJson) {
    for (const char* text : {"", "[]", "<html>", "{"}) {
        const auto shown = format_status(text);
        ASSERT_FALSE(shown) << text;
        EXPECT_THAT(shown.error().message, HasSubstr("is this the right socket?"));
    }
}

TEST(Progress, ShowsABarWhenTheSizeIsKnown) {
    EXPECT_EQ(render_progress({500, 5200, 10000, Milliseconds(1000)}, 80),
              "[##########          ]  52%  500 events, 500/s, 0s left");
    EXPECT_EQ(render_progress({0, 0, 10000, Milliseconds(0)}, 80),
              "[                    ]   0%  0 events, 0/s");
    EXPECT_EQ(render_progress({10, 10000, 10000, Milliseconds(2000)}, 80),
              "[####################] 100%  10 events, 5/s");
    EXPECT_EQ(render_progress({10, 1000, 10000, Milliseconds(20000)}, 80),
              "[##                  ]  10%  10 events, 0/s, 3m left");
}

TEST(Progress, CountsWhenTheSizeIsUnknown) {
    EXPECT_EQ(render_progress({1234, 99999, 0, Milliseconds(2000)}, 80), "1234 events, 617/s");
}

TEST(Progress, FitsTheTerminal) {
    EXPECT_EQ(render_progress({1234, 99999, 0, Milliseconds(2000)}, 6), "1234 e");
    EXPECT_EQ(render_progress({1234, 99999, 0, Milliseconds(2000)}, -1), "");
}

}  // namespace
}  // namespace flowrelay::cli
