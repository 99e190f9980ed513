#include "pages/ledger.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "pages/ledger_file.hpp"
#include "support/temporary_directory.hpp"

namespace flowrelay::pages {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr WallTime start{Milliseconds(1'000'000)};
constexpr WallTime later = start + Seconds(100);

Invitation for_source(const std::string& name, const std::string& ticket = "ticket") {
    return {hash_of(ticket), name, "", later};
}

TEST(Ledger, ClaimsAnInvitationOnce) {
    Ledger ledger;
    EXPECT_TRUE(ledger.invite(for_source("ci"), start));
    ASSERT_NE(ledger.find_invitation(hash_of("ticket"), start), nullptr);
    EXPECT_EQ(ledger.find_invitation("ticket", start), nullptr);
    const auto claimed = ledger.claim(hash_of("ticket"), start);
    ASSERT_TRUE(claimed);
    EXPECT_EQ(claimed->name, "ci");
    EXPECT_FALSE(ledger.claim(hash_of("ticket"), start));
    EXPECT_EQ(ledger.find_invitation(hash_of("ticket"), start), nullptr);
    EXPECT_EQ(ledger.open_invitations(start).size(), 1U) << "it may be open again";
    ledger.reopen(hash_of("ticket"));
    EXPECT_TRUE(ledger.claim(hash_of("ticket"), start));
    ledger.used(hash_of("ticket"));
    EXPECT_TRUE(ledger.open_invitations(start).empty());
    ledger.reopen(hash_of("ticket"));
    EXPECT_FALSE(ledger.claim(hash_of("ticket"), start));
}

TEST(Ledger, RevokesAnInvitationInUse) {
    Ledger ledger;
    EXPECT_TRUE(ledger.invite(for_source("ci"), start));
    EXPECT_TRUE(ledger.claim(hash_of("ticket"), start));
    EXPECT_TRUE(ledger.revoke("ci", start));
    ledger.reopen(hash_of("ticket"));
    EXPECT_EQ(ledger.find_invitation(hash_of("ticket"), start), nullptr);
}

TEST(Ledger, ReopensWhatWasInUseWhenTheProcessEnded) {
    Ledger ledger;
    EXPECT_TRUE(ledger.invite(for_source("ci"), start));
    EXPECT_TRUE(ledger.invite(for_source("web", "other"), start));
    EXPECT_TRUE(ledger.claim(hash_of("ticket"), start));
    auto read = Ledger::from_text(ledger.to_text());
    ASSERT_TRUE(read.has_value());
    EXPECT_FALSE(read->claim(hash_of("ticket"), start));
    EXPECT_EQ(read->reopen_all(), std::vector<std::string>{"ci"});
    EXPECT_TRUE(read->reopen_all().empty());
    EXPECT_TRUE(read->claim(hash_of("ticket"), start));
}

TEST(Ledger, ExpiresAnInvitation) {
    Ledger ledger;
    EXPECT_TRUE(ledger.invite(for_source("ci"), start));
    EXPECT_EQ(ledger.find_invitation(hash_of("ticket"), later), nullptr);
    EXPECT_TRUE(ledger.open_invitations(later).empty());
    EXPECT_FALSE(ledger.claim(hash_of("ticket"), later));
}

TEST(Ledger, KeepsTheNewestInvitationForASource) {
    Ledger ledger;
    EXPECT_TRUE(ledger.invite(for_source("ci", "old"), start));
    EXPECT_TRUE(ledger.claim(hash_of("old"), start));
    EXPECT_TRUE(ledger.invite(for_source("ci", "new"), start));
    ledger.reopen(hash_of("old"));
    EXPECT_EQ(ledger.find_invitation(hash_of("old"), start), nullptr);
    EXPECT_TRUE(ledger.invite(for_source("ci", "newest"), start));
    EXPECT_EQ(ledger.find_invitation(hash_of("new"), start), nullptr);
    EXPECT_EQ(ledger.open_invitations(start).size(), 1U);
    EXPECT_TRUE(ledger.revoke("ci", start));
    EXPECT_FALSE(ledger.revoke("ci", start));
}

TEST(Ledger, IsBounded) {
    Ledger ledger;
    for (std::size_t i = 0; i < Ledger::max_invitations; ++i) {
        EXPECT_TRUE(ledger.invite(for_source("s" + std::to_string(i)), start));
    }
    EXPECT_FALSE(ledger.invite(for_source("one more"), start));
    EXPECT_TRUE(ledger.invite(for_source("one more"), later));
}

TEST(Ledger, KeepsOneLinkForASource) {
    Ledger ledger;
    ledger.add_link({"a", "example/main", "36"});
    ledger.add_link({"b", "example/main", "36"});
    EXPECT_EQ(ledger.find_link("a"), nullptr);
    ASSERT_NE(ledger.find_link("b"), nullptr);
    EXPECT_EQ(ledger.find_link("b")->source_id, "36");
    ledger.remove_link("example/other", "36");
    EXPECT_NE(ledger.find_link("b"), nullptr);
    ledger.remove_link("example/main", "36");
    EXPECT_EQ(ledger.find_link("b"), nullptr);
}

TEST(Ledger, IsRestoredFromItsText) {
    Ledger ledger;
    EXPECT_TRUE(ledger.invite({hash_of("t"), "c\"i", "example/main", later}, start));
    ledger.add_link({"b", "example/main", "36"});
    const std::string text = ledger.to_text();
    EXPECT_THAT(text, Not(HasSubstr("\"t\"")));
    EXPECT_EQ(Ledger::from_text(text).value(), ledger);
}

TEST(Ledger, RefusesAnInvalidText) {
    for (const char* text :
         {"", "[]", "{}", R"({"version":2,"invitations":[],"links":[]})",
          R"({"version":1,"invitations":[]})", R"({"version":1,"invitations":[1],"links":[]})",
          R"({"version":1,"invitations":[],"links":[{"hash":"a"}]})",
          R"({"version":1,"invitations":[{"hash":"a","name":"b","flow":"c"}],"links":[]})"}) {
        EXPECT_TRUE(Ledger::from_text(text).has_error()) << text;
    }
}

TEST(LedgerFile, OutlivesTheProcessAndIsPrivate) {
    const test::TemporaryDirectory directory;
    const std::string path = directory.file("state");
    {
        LedgerFile file(path);
        EXPECT_TRUE(
            file.change([](Ledger& ledger) { return ledger.invite(for_source("ci"), start); }));
        EXPECT_THROW(LedgerFile second(path), std::runtime_error);
    }
    struct stat status{};
    ASSERT_EQ(::stat((path + "/pages.json").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    const LedgerFile file(path);
    file.read([](const Ledger& ledger) {
        EXPECT_NE(ledger.find_invitation(hash_of("ticket"), start), nullptr);
    });
}

TEST(LedgerFile, DoesNotReplaceADamagedFile) {
    const test::TemporaryDirectory directory;
    std::ofstream(directory.file("pages.json")) << "{";
    EXPECT_THROW(LedgerFile file(directory.file("")), std::runtime_error);
    std::ostringstream text;
    text << std::ifstream(directory.file("pages.json")).rdbuf();
    EXPECT_EQ(text.str(), "{");
}

TEST(LedgerFile, UndoesAChangeThatCouldNotBeStored) {
    const test::TemporaryDirectory directory;
    LedgerFile file(directory.file(""));
    // Where the new file would be written there is a directory, so that also root fails.
    ASSERT_EQ(::mkdir((directory.file("pages.json.tmp")).c_str(), 0700), 0);
    EXPECT_TRUE(file.change([](Ledger& ledger) { return ledger.invite(for_source("ci"), start); })
                    .has_error());
    file.read([](const Ledger& ledger) { EXPECT_EQ(ledger, Ledger()); });
}

}  // namespace
}  // namespace flowrelay::pages
