#include "cli/spool_text.hpp"

#include <gtest/gtest.h>

namespace flowrelay::cli {
namespace {

using storage::SpoolFile;
using storage::SpoolReport;

constexpr WallTime accepted_at{Milliseconds(1'700'000'000'000)};

SpoolReport example() {
    SpoolReport report;
    report.files = {
        {.name = "spool/000000000001.seg",
         .kind = SpoolFile::Kind::segment,
         .bytes = 65536,
         .events = 3,
         .queued = 2,
         .outcomes = 1},
        {.name = "tokens", .kind = SpoolFile::Kind::registry, .bytes = 300, .entries = 1}};
    report.queues = {{.token = TokenId{1},
                      .state = core::TokenEntry::State::paused,
                      .source = "ci",
                      .events = 2,
                      .bytes = 400,
                      .first = Seq{2},
                      .oldest = accepted_at}};
    report.ledger = {.accepted = 3, .delivered = 1};
    report.queued = 2;
    report.bytes = 65836;
    report.oldest = accepted_at;
    return report;
}

TEST(SpoolText, ShowsASpoolThatIsWhole) {
    EXPECT_EQ(format_spool_report(example(), accepted_at + Seconds(90), false),
              "spool/000000000001.seg  65536  3 events, 2 of them queued; 1 outcome\n"
              "tokens                    300  1 token\n"
              "\n"
              "Queued: 2 events, the oldest accepted 2023-11-14T22:13:20.000Z (1m30s ago)\n"
              "  token 1    ci  2 events, oldest 2023-11-14T22:13:20.000Z, paused\n"
              "Dead letters: 0\n"
              "Books: 3 accepted = 1 delivered + 2 queued + 0 dead + 0 expired + 0 erased + 0 "
              "dropped + 0 lost; 0 unaccounted\n"
              "On disk: 65836 bytes in 2 files\n"
              "Result: whole, nothing is damaged\n");
}

TEST(SpoolText, ShowsDamage) {
    SpoolReport report = example();
    report.queued = 1;
    report.lost = 1;
    report.damage = {{"spool/000000000001.seg", 4096, 128, 1, "no readable records"},
                     {"tokens", std::nullopt, 0, 0, "the file is missing"}};
    const std::string text = format_spool_report(report, accepted_at, true);
    EXPECT_TRUE(
        text.starts_with("Damage:\n"
                         "  spool/000000000001.seg at offset 4096, 128 bytes: no readable "
                         "records (1 event missing)\n"
                         "  tokens: the file is missing\n"))
        << text;
    EXPECT_NE(text.find("; 1 unaccounted\n"), std::string::npos);
    EXPECT_TRUE(text.ends_with("Result: DAMAGED in 2 places, 1 event lost; nothing was changed\n"));
    EXPECT_NE(format_spool_report(report, accepted_at, false).find("65536  DAMAGED; 3 events"),
              std::string::npos);
    report.lost_is_known = false;
    EXPECT_NE(format_spool_report(report, accepted_at, true).find(", at least 1 event lost;"),
              std::string::npos);
}

TEST(SpoolText, SaysWhatWasFoundAgainAndWhatBecomesOfIt) {
    SpoolReport report = example();
    report.returned = {1, 0};
    std::string text = format_spool_report(report, accepted_at, true);
    EXPECT_NE(text.find("Found again: 1 event that had been booked as lost is there, as in a file "
                        "that was put back; the next start takes it out of the lost ones and "
                        "delivers it\n"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("Queued again"), std::string::npos);
    EXPECT_TRUE(text.ends_with("Result: whole, nothing is damaged\n"));
    report.returned = {28, 2};
    text = format_spool_report(report, accepted_at, true);
    EXPECT_NE(text.find("28 events that had been booked as lost are there"), std::string::npos);
    EXPECT_NE(text.find("Queued again: 2 events whose outcomes are lost; "), std::string::npos);
    EXPECT_NE(format_spool_json(report).find(R"("found_again":28,"queued_again":2)"),
              std::string::npos);
    report.returned = {0, 0, 3};
    text = format_spool_report(report, accepted_at, true);
    EXPECT_NE(text.find("Found: 3 events that the books had not counted are there"),
              std::string::npos)
        << text;
    EXPECT_TRUE(text.ends_with("Result: whole, nothing is damaged\n"));
    EXPECT_NE(format_spool_json(report).find(R"("found_uncounted":3)"), std::string::npos);
}

TEST(SpoolText, TellsBookedLossesFromNewOnes) {
    SpoolReport report = example();
    report.ledger = {.accepted = 20, .delivered = 1, .lost = 17};
    report.damage = {{"spool/000000000002.seg", std::nullopt, 0, 17, "the file is missing"}};
    EXPECT_TRUE(format_spool_report(report, accepted_at, true)
                    .ends_with("Result: DAMAGED in 1 place, 0 events lost beside 17 that are "
                               "booked as lost; nothing was changed\n"));
}

TEST(SpoolText, ShowsNamesThatATerminalWouldObey) {
    SpoolReport report = example();
    report.queues[0].source = "c\x1b[2Ji";
    report.files[0].name = "spool/\x1b[31m";
    EXPECT_EQ(format_spool_report(report, accepted_at, false).find('\x1b'), std::string::npos);
}

TEST(SpoolText, GivesLinesOfJson) {
    SpoolReport report = example();
    report.damage = {{"tokens", 64, 10, 0, "why"}};
    EXPECT_EQ(
        format_spool_json(report),
        R"({"type":"file","file":"spool/000000000001.seg","kind":"segment","bytes":65536,)"
        R"("events":3,"queued":2,"outcomes":1})"
        "\n"
        R"({"type":"file","file":"tokens","kind":"registry","bytes":300,"entries":1})"
        "\n"
        R"({"type":"damage","file":"tokens","offset":64,"bytes":10,"missing":0,)"
        R"("reason":"why"})"
        "\n"
        R"({"type":"token","token":1,"state":"paused","source":"ci","queued":2,"bytes":400,)"
        R"("first_seq":2,"oldest":"2023-11-14T22:13:20.000Z"})"
        "\n"
        R"({"type":"summary","damaged":1,"lost":0,"files":2,"bytes":65836,"accepted":3,)"
        R"("delivered":1,"queued":2,"dead":0,"expired":0,"erased":0,"dropped":0,"booked_lost":0,)"
        R"("unaccounted":0,"found_again":0,"queued_again":0,"found_uncounted":0,"dead_letters":0,"dead_letters_missing":0,"oldest":"2023-11-14T22:13:20.000Z"})"
        "\n");
}

}  // namespace
}  // namespace flowrelay::cli
