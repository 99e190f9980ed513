// How the operator's commands interpret the daemon's answers.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/control_client.hpp"
#include "cli/health.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/terminal.hpp"
#include "cli/top_text.hpp"

namespace flowrelay::cli {
namespace {

boost::json::object object(const char* text) {
    return boost::json::parse(text).get_object();
}

// ---- health

HealthReport health(const char* status, HealthLimits limits = {}) {
    return judge_health(object(status), limits);
}

TEST(Health, IsOkWithThePerformanceDataOfPlugIns) {
    const auto report = health(
        R"({"state":"running","queued":3,"oldest_age_s":7,"delivered":12,"dead":1,"dead_letters":1,
            "unaccounted":0,"spool_bytes":100,"spool_max_bytes":1000,"destination":{"state":"up"}})");
    EXPECT_EQ(report.health, Health::ok);
    EXPECT_EQ(report.line,
              "FLOWRELAY OK - 3 queued, 12 delivered | queued=3 oldest_age=7s;900;7200;0 "
              "delivered=12c dead=1c dead_letters=1 unaccounted=0;0;0 spool=100B;;;0;1000");
}

TEST(Health, JudgesTheAgeOfTheOldestEvent) {
    const char* old = R"({"state":"running","oldest_age_s":900})";
    EXPECT_EQ(health(old).health, Health::warning);
    EXPECT_EQ(health(R"({"state":"running","oldest_age_s":899})").health, Health::ok);
    EXPECT_EQ(health(R"({"state":"running","oldest_age_s":7200})").health, Health::critical);
    HealthLimits patient;
    patient.warn_age = Seconds(901);
    EXPECT_EQ(health(old, patient).health, Health::ok);
}

TEST(Health, AnEmptyQueueHasNoAge) {
    for (const Milliseconds limit : {Milliseconds(0), Milliseconds(1), Milliseconds(900'000)}) {
        HealthLimits limits;
        limits.warn_age = limit;
        limits.crit_age = limit;
        EXPECT_EQ(health(R"({"state":"running","queued":0})", limits).health, Health::ok);
        EXPECT_EQ(health(R"({"state":"running","oldest_age_s":900})", limits).health,
                  Health::critical);
    }
}

TEST(Health, ACriticalLimitBelowThatOfTheWarningCounts) {
    HealthLimits limits;
    limits.crit_age = Seconds(60);
    EXPECT_EQ(health(R"({"state":"running","oldest_age_s":59})", limits).health, Health::ok);
    EXPECT_EQ(health(R"({"state":"running","oldest_age_s":60})", limits).health, Health::critical);
    limits.crit_spool = 50;
    EXPECT_EQ(
        health(R"({"spool_bytes":49,"spool_max_bytes":100,"state":"running"})", limits).health,
        Health::ok);
    EXPECT_EQ(
        health(R"({"spool_bytes":50,"spool_max_bytes":100,"state":"running"})", limits).health,
        Health::critical);
}

TEST(Health, OneThatStopsAndCanNotTakeEventsSaysBoth) {
    const auto stops = health(R"({"state":"stopping","accepting":false,
        "refusal":{"code":"stopping","reason":"flowrelayd is stopping"}})");
    EXPECT_EQ(stops.line.find("FLOWRELAY WARNING - flowrelayd is stopping |"), 0U) << stops.line;
    for (const char* code : {"max_size", "disk_full", "storage_failed"}) {
        const std::string status = std::string(R"({"state":"stopping","accepting":false,)") +
                                   R"("refusal":{"code":")" + code + R"(","reason":"it is full"}})";
        const auto report = health(status.c_str());
        EXPECT_EQ(report.line.find("FLOWRELAY CRITICAL - no events are accepted: it is full; "
                                   "flowrelayd is stopping |"),
                  0U)
            << report.line;
    }
}

TEST(Health, SaysWhyAnErasureWaits) {
    const auto report = health(R"({"state":"running","tokens":[
        {"name":"ci","state":"gone","queued":3,"erasure_waits":"the disk is full"}]})");
    EXPECT_EQ(report.health, Health::warning);
    EXPECT_NE(report.line.find("ci (the erasure waits: the disk is full), and 3 queued with it"),
              std::string::npos)
        << report.line;
}

TEST(Health, IsCriticalWhenTheDiskFailedOrEventsAreMissing) {
    EXPECT_EQ(health(R"({"state":"storage_failed"})").health, Health::critical);
    EXPECT_EQ(health(R"({"state":"running","unaccounted":2})").health, Health::critical);
    EXPECT_EQ(health(R"({"state":"running","unaccounted":-2})").health, Health::critical);
    EXPECT_EQ(health(R"({"state":"stopping"})").health, Health::warning);
}

TEST(Health, IsCriticalWhenNoEventsAreAccepted) {
    for (const char* code : {"max_events", "max_size", "disk_full", "no_descriptors"}) {
        const std::string status = std::string(R"({"state":"running","accepting":false,)") +
                                   R"("refusal":{"code":")" + code + R"(","reason":"it is full"}})";
        const auto report = health(status.c_str());
        EXPECT_EQ(report.health, Health::critical) << code;
        EXPECT_EQ(report.line.find("FLOWRELAY CRITICAL - no events are accepted: it is full |"), 0U)
            << report.line;
    }
    const auto quota = health(R"({"state":"running","accepting":true,
        "tokens":[{"name":"ci","state":"active","full":true},{"name":"b","state":"active"}]})");
    EXPECT_EQ(quota.health, Health::warning);
    EXPECT_NE(quota.line.find("spool.max_events_per_token is reached by ci |"), std::string::npos);
}

TEST(Health, WarnsOfTokensThatAreGoneAndOfSourcesThatAreMissing) {
    const auto gone = health(R"({"state":"running","tokens":[
        {"name":"ci","state":"gone","queued":3,"erase_in_s":3540},
        {"name":"old","state":"erased","queued":0}]})");
    EXPECT_EQ(gone.health, Health::warning);
    EXPECT_NE(gone.line.find("has removed (410) the token of ci (erased in 59m), and 3 queued "
                             "with it |"),
              std::string::npos)
        << gone.line;
    const auto missing = health(R"({"state":"running","tokens":[
        {"name":"ci","state":"missing","queued":3},{"name":"old","state":"missing","queued":0}]})");
    EXPECT_EQ(missing.health, Health::warning);
    EXPECT_NE(missing.line.find("not configured: ci |"), std::string::npos) << missing.line;
    EXPECT_EQ(health(R"({"state":"running","tokens":[{"name":"x","state":"missing","queued":0}]})")
                  .health,
              Health::ok);
}

TEST(Health, IsCriticalWhileDeliveriesAreHeld) {
    EXPECT_EQ(health(R"({"state":"running","deliveries_held":true})").health, Health::critical);
    EXPECT_EQ(health(R"({"state":"running","deliveries_held":false})").health, Health::ok);
}

TEST(Health, JudgesWhatIsUsedOfWhatThereIs) {
    const char* preallocated = R"({"state":"running","spool_bytes":96,"spool_used_bytes":10,
        "spool_max_bytes":100,"spool_capacity_bytes":100})";
    EXPECT_EQ(health(preallocated).health, Health::ok) << "reserved is not used";
    const char* small_disk = R"({"state":"running","spool_bytes":60,"spool_used_bytes":58,
        "spool_max_bytes":1000,"spool_capacity_bytes":60})";
    EXPECT_EQ(health(small_disk).health, Health::critical);
}

TEST(Health, IsUnknownWhereItCanNotAsk) {
    namespace errc = boost::system::errc;
    const auto judged = [](errc::errc_t code) {
        return judge_no_answer(Error{errc::make_error_code(code), "because"});
    };
    for (const auto code : {errc::permission_denied, errc::protocol_error}) {
        EXPECT_EQ(judged(code).health, Health::unknown) << code;
        EXPECT_EQ(judged(code).line, "FLOWRELAY UNKNOWN - because");
    }
    for (const auto code :
         {errc::no_such_file_or_directory, errc::connection_refused, errc::timed_out}) {
        EXPECT_EQ(judged(code).health, Health::critical) << code;
        EXPECT_EQ(judged(code).line, "FLOWRELAY CRITICAL - because");
    }
}

TEST(Health, JudgesDestinationTokensSpoolAndDeadLetters) {
    EXPECT_EQ(health(R"({"state":"running","destination":{"state":"down"}})").health,
              Health::warning);
    EXPECT_EQ(health(R"({"state":"running","destination":{"state":"parked"}})").health,
              Health::critical);
    const auto tokens = health(
        R"({"state":"running","tokens":[{"name":"ci","state":"parked"},{"name":"b","state":"erased"}]})");
    EXPECT_EQ(tokens.health, Health::warning);
    EXPECT_NE(tokens.line.find("refuses the token of ci |"), std::string::npos) << tokens.line;
    const auto held = health(R"({"state":"running","held_lanes":2})");
    EXPECT_EQ(held.health, Health::warning);
    EXPECT_NE(held.line.find("2 threads are held for an operator |"), std::string::npos);
    EXPECT_EQ(health(R"({"state":"running","spool_bytes":80,"spool_max_bytes":100})").health,
              Health::warning);
    EXPECT_EQ(health(R"({"state":"running","spool_bytes":95,"spool_max_bytes":100})").health,
              Health::critical);
    HealthLimits limits;
    EXPECT_EQ(health(R"({"state":"running","dead_letters":5})", limits).health, Health::ok);
    limits.warn_dead = 5;
    EXPECT_EQ(health(R"({"state":"running","dead_letters":5})", limits).health, Health::warning);
    EXPECT_EQ(health(R"({"state":"running","dead_letters":4})", limits).health, Health::ok);
}

TEST(Health, TheWorstComesFirstAndNoBarIsInTheText) {
    const auto report = health(
        R"({"state":"running","unaccounted":1,"destination":{"state":"down","reason":"a|b"}})");
    EXPECT_EQ(report.health, Health::critical);
    EXPECT_EQ(report.line.find("FLOWRELAY CRITICAL - 1 event is unaccounted for; the "
                               "destination is down: a/b |"),
              0U)
        << report.line;
}

// ---- texts

TEST(OperatorText, AnExplanationReadsAsAChain) {
    const auto text = format_explanation(
        object(R"({"kind":"event","seq":2,"id":"x","source":"ci","thread":"b","accepted":"now",
            "age_s":61,"chain":[{"cause":"behind","text":"event 1 first"},
            {"cause":"thread_waits","text":"waits","wait_s":8}],"earliest_s":8,
            "attempts_forgotten":2,
            "history":[{"at":"t1","attempt":3,"reason":"HTTP 503","status":503}]})"),
        false);
    EXPECT_EQ(text,
              "event 2 (x) of ci, thread b, accepted now (1m1s ago)\n"
              "  behind        event 1 first\n"
              "  thread_waits  waits\n"
              "next attempt: 8s from now at the earliest\n"
              "attempts:\n"
              "  2 that are not remembered any more\n"
              "    3  t1  HTTP 503\n");
}

TEST(OperatorText, WhatIsBehindOthersGoesAfterThem) {
    const auto text = [](const std::string& cause) {
        const std::string answer = R"({"seq":1,"source":"ci","earliest_s":0,"chain":[{"cause":")" +
                                   cause + R"(","text":"t"}]})";
        return format_explanation(object(answer.c_str()), false);
    };
    for (const char* cause : {"stored", "behind", "behind_in_flight"}) {
        EXPECT_NE(text(cause).find("next attempt: after the earlier events of its thread\n"),
                  std::string::npos);
    }
    EXPECT_NE(text("ready").find("next attempt: at any moment\n"), std::string::npos);
}

TEST(OperatorText, OfASourceWithoutEventsThereIsNothingToExplain) {
    EXPECT_EQ(format_explanation(object(R"({"kind":"source","source":"ci","state":"active",
            "queued":0,"chain":[{"cause":"ready","text":"nothing holds it"}],"earliest_s":0})"),
                                 false),
              "source ci is active, with 0 events queued\n");
}

TEST(OperatorText, WhatNoTimeEndsIsSaid) {
    const auto text =
        format_explanation(object(R"({"kind":"source","source":"ci","state":"paused","queued":0,
            "chain":[{"cause":"token_paused","text":"paused"}]})"),
                           false);
    EXPECT_EQ(text,
              "source ci is paused, with 0 events queued\n"
              "  token_paused  paused\n"
              "next attempt: not until an operator acts\n");
}

TEST(OperatorText, WhatCameFromOutsideCanNotSteerTheTerminal) {
    const auto text = format_event(
        object(R"({"seq":1,"thread":"a\u001b[2Jb","body":{"title\n":"x\u009b1m"}})"), false);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find("\xC2\x9B"), std::string::npos);
    EXPECT_EQ(text.find("title\n"), std::string::npos);
}

TEST(OperatorText, LongCellsAreCutBetweenCharacters) {
    const std::string thread = std::string(36, 'x') + "\xC3\xA4\xC3\xA4\xC3\xA4";
    boost::json::object event{{"seq", 1}, {"thread", thread}};
    const auto text = format_events({event}, false);
    EXPECT_NE(text.find(std::string(36, 'x') + "..."), std::string::npos) << text;
}

TEST(Table, ColumnsAreAsWideAsTheirCharacters) {
    Table table{{"A", "B", "C"}, {{"\xC3\xA4\xC3\xA4\xC3\xA4", "1", "x"}, {"y", "12", ""}}, 1, -1};
    EXPECT_EQ(format_table(table, false), "A     B  C\n\xC3\xA4\xC3\xA4\xC3\xA4   1  x\ny    12\n");
}

TEST(Table, StatesAreColouredOnlyWhenThatIsWanted) {
    Table table{{"S"}, {{"up"}, {"down"}}, -1, 0};
    EXPECT_EQ(format_table(table, false), "S\nup\ndown\n");
    const auto coloured = format_table(table, true);
    EXPECT_NE(coloured.find("\x1b[32mup\x1b[0m"), std::string::npos);
    EXPECT_NE(coloured.find("\x1b[31mdown\x1b[0m"), std::string::npos);
}

TEST(Seconds, AreShownAsPeopleSayThem) {
    EXPECT_EQ(format_seconds(0), "0s");
    EXPECT_EQ(format_seconds(0.25), "250ms");
    EXPECT_EQ(format_seconds(20.317), "20s");
    EXPECT_EQ(format_seconds(-1), "0s");
    EXPECT_EQ(format_seconds(3661), "1h1m");
}

// ---- top

TEST(Top, ShowsRatesSinceTheLastLook) {
    const auto status = object(
        R"({"version":"1","state":"running","accepted":300,"delivered":50,"queued":250,
            "since_start":{"attempts":60,"retried":10},
            "tokens":[{"name":"a","state":"active","queued":1},
                      {"name":"b","state":"parked","queued":9,"reason":"HTTP 401"}]})");
    TopSample before;
    before.at_s = 8;
    before.accepted = 100;
    before.delivered = 50;
    before.attempts = 40;
    const auto text = render_top(status, take_sample(status, 10), std::span(&before, 1),
                                 {100, 100, false, false});
    EXPECT_NE(text.find("accepted 100/s, delivered 0/s, attempts 10/s, retried 5/s"),
              std::string::npos)
        << text;
    EXPECT_LT(text.find("b  "), text.find("a  ")) << "those with the most that waits come first";
}

TEST(Top, DrawsTheRatesSoFarAndHowFullTheSpoolIs) {
    const auto status = object(
        R"({"version":"1","state":"running","accepted":700,"delivered":0,"spool_used_bytes":256,
            "spool_capacity_bytes":1024,"drained":{"state":"never","stuck":0}})");
    std::vector<TopSample> seen(2);
    seen[1].at_s = 1;
    seen[1].accepted = 100;
    const auto text = render_top(status, take_sample(status, 3), seen, {100, 100, false, false});
    EXPECT_NE(text.find("accepted   =# most 300/s"), std::string::npos) << text;
    EXPECT_NE(text.find("delivered  __ most 0/s"), std::string::npos) << text;
    EXPECT_NE(text.find("spool      [##########..............................] 25% of 1.0 KiB"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("drained not at this rate"), std::string::npos) << text;
    const auto drawn = render_top(status, take_sample(status, 3), seen, {100, 100, false, true});
    EXPECT_NE(drawn.find("\u2584\u2588 most 300/s"), std::string::npos) << drawn;
}

TEST(Top, FitsTheTerminal) {
    const auto status = object(
        R"({"version":"1","state":"running","tokens":[{"name":"a"},{"name":"b"},{"name":"c"}],
            "destination":{"base_url":"https://a-very-long-name.example.com","state":"up"}})");
    const auto text = render_top(status, take_sample(status, 1), {}, {5, 20, false, false});
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5);
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find('\n', at);
        EXPECT_LE(end - at, 20U);
        at = end + 1;
    }
}

// ---- calls

TEST(UrlEncode, LeavesNothingThatAUrlWouldTakeForItself) {
    EXPECT_EQ(url_encode("aZ09-._~"), "aZ09-._~");
    EXPECT_EQ(url_encode("a b/c?d&e=f#g%+"), "a%20b%2Fc%3Fd%26e%3Df%23g%25%2B");
    EXPECT_EQ(url_encode("\xC3\xA4"), "%C3%A4");
}

TEST(DaemonReply, SaysHowTheCommandEnds) {
    EXPECT_EQ(exit_code_of(DaemonReply{200, "", ""}), ExitCode::ok);
    EXPECT_EQ(exit_code_of(DaemonReply{400, "", ""}), ExitCode::usage);
    EXPECT_EQ(exit_code_of(DaemonReply{403, "", ""}), ExitCode::not_permitted);
    EXPECT_EQ(exit_code_of(DaemonReply{404, "", ""}), ExitCode::rejected);
    EXPECT_EQ(exit_code_of(DaemonReply{409, "", ""}), ExitCode::rejected);
    EXPECT_EQ(exit_code_of(DaemonReply{503, "", ""}), ExitCode::try_later);
    EXPECT_EQ(message_of(DaemonReply{404, R"({"message":"not \u001b here"})", ""}),
              "not \xEF\xBF\xBD here");
    EXPECT_EQ(message_of(DaemonReply{500, "oops", ""}), "flowrelayd answered 500: oops");
}

TEST(ReadIds, TakesIdsSeqsAndLinesOfALog) {
    std::FILE* in = std::tmpfile();
    ASSERT_NE(in, nullptr);
    std::fputs("  abc \r\n\n17\n{\"seq\":4711,\"id\":\"x\"}\nlast", in);
    std::rewind(in);
    EXPECT_EQ(read_ids(in), (std::vector<std::string>{"abc", "17", "4711", "last"}));
    std::fclose(in);
}

TEST(EscapeJson, LeavesNothingThatSteersATerminal) {
    EXPECT_EQ(escape_json("{\"a\":\"x\"}\n"), "{\"a\":\"x\"}\n");
    EXPECT_EQ(escape_json("\"caf\xC3\xA9 \xF0\x9F\x98\x80\""), "\"caf\xC3\xA9 \xF0\x9F\x98\x80\"");
    for (const auto& [text, escaped] :
         std::vector<std::pair<std::string, std::string>>{{"\x1B", "\\u001b"},
                                                          {"\x7F", "\\u007f"},
                                                          {"\xC2\x9B", "\\u009b"},
                                                          {"\xE2\x80\xAE", "\\u202e"},
                                                          {"\xE2\x81\xA6", "\\u2066"},
                                                          {"\xEF\xBB\xBF", "\\ufeff"},
                                                          {"\xE2\x80\x8B", "\\u200b"},
                                                          {"\xF3\xA0\x81\xA1", "\\udb40\\udc61"},
                                                          {"\xFF", "\\ufffd"}}) {
        EXPECT_EQ(escape_json("\"a" + text + "b\""), "\"a" + escaped + "b\"");
    }
}

}  // namespace
}  // namespace flowrelay::cli
