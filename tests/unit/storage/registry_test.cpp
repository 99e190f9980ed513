#include "storage/registry.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "hex.hpp"
#include "storage/slot_record.hpp"
#include "support/recording_log.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::storage {
namespace {

using test::SimCrash;
using test::SimFileSystem;
using test::SimOp;

constexpr const char* registry_path = "/state/registry";

TokenEntry entry_of(std::uint64_t id, std::string_view secret = {}) {
    TokenEntry entry;
    entry.id = TokenId{id};
    entry.source = id % 2 == 0 ? "source-" + std::to_string(id) : "";
    entry.fingerprint.fill(static_cast<std::uint8_t>(id));
    entry.secret = Secret(secret);
    entry.since = WallTime(Milliseconds(1000 + static_cast<std::int64_t>(id)));
    return entry;
}

bool same(const TokenEntry& a, const TokenEntry& b) {
    return a.id == b.id && a.source == b.source && a.fingerprint == b.fingerprint &&
           a.secret == b.secret && a.state == b.state && a.since == b.since &&
           a.erase_at == b.erase_at;
}

class RegistryTest : public ::testing::Test {
protected:
    RegistryTest() { open(); }

    void open() {
        auto opened = Registry::open(fs, registry_path, log);
        ASSERT_TRUE(opened.has_value()) << opened.error().message;
        registry = std::move(*opened);
    }

    void put(const TokenEntry& entry) { ASSERT_TRUE(registry->put({&entry, 1}).has_value()); }

    SimFileSystem fs{1};
    test::RecordingLog log;
    std::unique_ptr<Registry> registry;
};

TEST_F(RegistryTest, StartsEmptyWithASaltThatStays) {
    EXPECT_TRUE(registry->entries().empty());
    const Salt salt = registry->salt();
    EXPECT_NE(salt, Salt{});
    fs.power_failure();
    open();
    EXPECT_EQ(registry->salt(), salt);
}

TEST_F(RegistryTest, WhatIsForgottenLeavesTheFile) {
    for (std::uint64_t id = 1; id <= 9; ++id) put(entry_of(id, "s3cret-" + std::to_string(id)));
    registry->forget(std::vector{TokenId{2}, TokenId{5}});
    EXPECT_EQ(registry->entries().size(), 7U);
    EXPECT_FALSE(fs.holds("s3cret-5"));
    EXPECT_TRUE(fs.holds("s3cret-6"));
    open();
    EXPECT_EQ(registry->entries().size(), 7U);
}

TEST_F(RegistryTest, WhatCouldNotBeForgottenIsWithTheNextChange) {
    for (std::uint64_t id = 1; id <= 9; ++id) put(entry_of(id, "s3cret-" + std::to_string(id)));
    fs.fail_next(SimOp::create, EIO);
    registry->forget(std::vector{TokenId{2}});
    EXPECT_EQ(registry->entries().size(), 8U);
    EXPECT_TRUE(fs.holds("s3cret-2"));
    put(entry_of(10, "s3cret-10"));
    EXPECT_FALSE(fs.holds("s3cret-2"));
    fs.fail_next(SimOp::create, EIO);
    registry->forget(std::vector{TokenId{5}});
    EXPECT_TRUE(registry->put_hold({TokenId{3}, {}, 7, WallTime(Seconds(9))}).has_value());
    EXPECT_FALSE(fs.holds("s3cret-5"));
    open();
    EXPECT_EQ(registry->entries().size(), 8U);
}

TEST_F(RegistryTest, AForgottenSlotIsNotInUseBesideTheNextOneOfItsToken) {
    for (const auto state : {TokenEntry::State::active, TokenEntry::State::gone}) {
        const std::uint64_t first = registry->entries().size() + 1;
        TokenEntry old = entry_of(first, "5ecret");
        old.source.clear();
        old.origin = TokenEntry::Origin::direct;
        TokenEntry next = entry_of(first + 1, "5ecret");
        next.fingerprint = old.fingerprint;
        next.state = state;
        put(old);
        put(next);  // the old one was to be forgotten, then came a crash
        open();
        const auto entries = registry->entries();
        ASSERT_EQ(entries.size(), first + 1);
        EXPECT_EQ(entries[first - 1].state, TokenEntry::State::removed);
        EXPECT_EQ(entries[first].state, state);
    }
}

TEST_F(RegistryTest, EntriesComeBackAsTheyWere) {
    TokenEntry gone = entry_of(3, "secret-three");
    gone.state = TokenEntry::State::gone;
    gone.erase_at = WallTime(Milliseconds(99));
    const std::vector<TokenEntry> entries = {entry_of(1, "secret-one"), entry_of(2), gone};
    ASSERT_TRUE(registry->put(entries).has_value());
    for (int run = 0; run < 2; ++run) {
        const auto back = registry->entries();
        ASSERT_EQ(back.size(), 3U);
        for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(same(back[i], entries[i])) << i;
        fs.power_failure();
        open();
    }
}

// docs/spool-format.md describes the same bytes: a change here is a new version of the format.
TEST_F(RegistryTest, ASlotHasItsGoldenBytes) {
    TokenEntry entry;
    entry.id = TokenId{7};
    entry.source = "ci";
    entry.fingerprint.fill(0xab);
    entry.secret = Secret("tok");
    entry.state = TokenEntry::State::paused;
    entry.origin = TokenEntry::Origin::added;
    entry.pause = TokenEntry::Pause::other_token;
    entry.since = WallTime(Milliseconds(0x0102030405));
    entry.erase_at = WallTime(Milliseconds(0x11));
    put(entry);
    const auto bytes = fs.contents(registry_path);
    const std::size_t payload =
        journal_header_size + record_size(sizeof(Salt)) + record_header_size;
    ASSERT_GE(bytes.size(), payload + 49);
    EXPECT_EQ(test::hex(std::span(bytes).subspan(payload, 49)),
              "04030100 00000000 05040302 01000000\n"
              "11000000 00000000 abababab abababab\n"
              "abababab abababab 02000300 6369746f\n"
              "6b\n");
}

core::FlowSource flow_source_of(std::string_view id) {
    core::FlowSource source;
    source.id = id;
    source.flow = "example/main";
    source.flow_name = "Main";
    source.application = "app";
    source.configuration_uri = "u";
    return source;
}

// docs/spool-format.md describes the same bytes: a change here is a new version of the format.
TEST_F(RegistryTest, WhereASourceLivesHasItsGoldenBytes) {
    TokenEntry entry;
    entry.id = TokenId{7};
    entry.source = "ci";
    entry.secret = Secret("tok");
    entry.flow_source = flow_source_of("36");
    put(entry);
    const auto bytes = fs.contents(registry_path);
    EXPECT_EQ(test::hex(std::span(bytes).subspan(8, 4)), "03000000\n");
    const std::size_t payload =
        journal_header_size + record_size(sizeof(Salt)) + record_header_size;
    ASSERT_GE(bytes.size(), payload + 81);
    EXPECT_EQ(test::hex(std::span(bytes).subspan(payload + 40, 41)),
              "02000300 6369746f 6b02000c 00040003\n"
              "00010033 36657861 6d706c65 2f6d6169\n"
              "6e4d6169 6e617070 75\n");
}

TEST_F(RegistryTest, WhereASourceLivesComesBackAndGoesWithIt) {
    TokenEntry entry = entry_of(2, "secret-two");
    entry.flow_source = flow_source_of("source-36");
    put(entry_of(4, "secret-four"));
    put(entry);
    for (int run = 0; run < 2; ++run) {
        ASSERT_EQ(registry->entries().size(), 2U);
        EXPECT_EQ(registry->entries()[0], entry);
        EXPECT_FALSE(registry->entries()[1].flow_source);
        fs.power_failure();
        open();
    }
    TokenEntry paused = entry;
    paused.state = TokenEntry::State::paused;
    put(paused);
    EXPECT_EQ(registry->entries()[0].flow_source, entry.flow_source);
    TokenEntry elsewhere = paused;
    elsewhere.flow_source = flow_source_of("source-37");
    put(elsewhere);
    EXPECT_FALSE(fs.holds("source-36"));
    EXPECT_TRUE(fs.holds("source-37"));
    elsewhere.flow_source = {};
    put(elsewhere);
    EXPECT_FALSE(fs.holds("source-37"));
    EXPECT_FALSE(fs.holds("example/main"));
    open();
    EXPECT_EQ(registry->entries()[0], elsewhere);
}

// Programs that do not know it refuse the file as newer, and only then.
TEST_F(RegistryTest, TheFormatIsNewerWhileItSaysWhereASourceLives) {
    const auto version = [this] { return fs.contents(registry_path)[8]; };
    TokenEntry entry = entry_of(2, "secret-two");
    put(entry);
    EXPECT_EQ(version(), 2);
    entry.flow_source = flow_source_of("36");
    put(entry);
    EXPECT_EQ(version(), 3);
    put(entry_of(4));
    EXPECT_TRUE(registry->confirm().has_value());
    EXPECT_EQ(version(), 3);
    open();
    EXPECT_EQ(version(), 3);
    entry.flow_source = {};
    put(entry);
    EXPECT_EQ(version(), 2);
}

std::size_t at_filter(const TokenEntry& entry) {
    return 44 + entry.source.size() + entry.secret.reveal().size();
}

core::KnownFilter filter_with(std::string_view tag) {
    core::EventFilter filter;
    filter.events = {"activity"};
    filter.tags = {std::string(tag), "b"};
    filter.thread_prefixes = {"x-"};
    return core::known_filter(std::move(filter));
}

// docs/spool-format.md describes the same bytes: a change here is a new version of the format.
TEST_F(RegistryTest, TheFilterOfASourceHasItsGoldenBytes) {
    TokenEntry entry;
    entry.id = TokenId{7};
    entry.source = "ci";
    entry.secret = Secret("tok");
    entry.filter = filter_with("dep");
    entry.flow_source = flow_source_of("36");
    put(entry);
    const auto bytes = fs.contents(registry_path);
    EXPECT_EQ(test::hex(std::span(bytes).subspan(8, 4)), "04000000\n");
    const std::size_t payload =
        journal_header_size + record_size(sizeof(Salt)) + record_header_size;
    ASSERT_GE(bytes.size(), payload + 110);
    EXPECT_EQ(bytes[payload + 3], 1);
    EXPECT_EQ(test::hex(std::span(bytes).subspan(payload + 40, 40)),
              "02000300 6369746f 6b010002 00010008\n"
              "00616374 69766974 79030064 65700100\n"
              "62020078 2d02000c\n");
    open();
    EXPECT_EQ(registry->entries()[0], entry);
}

TEST_F(RegistryTest, TheFilterOfASourceComesBackAndLeavesTheFile) {
    TokenEntry entry = entry_of(2, "secret-two");
    entry.filter = filter_with("tag-one");
    put(entry_of(4, "secret-four"));
    put(entry);
    for (int run = 0; run < 2; ++run) {
        ASSERT_EQ(registry->entries().size(), 2U);
        EXPECT_EQ(registry->entries()[0], entry);
        EXPECT_FALSE(registry->entries()[1].filter);
        fs.power_failure();
        open();
    }
    entry.filter = filter_with("tag-two");
    put(entry);
    EXPECT_FALSE(fs.holds("tag-one"));
    EXPECT_TRUE(fs.holds("tag-two"));
    entry.secret = Secret();
    entry.state = TokenEntry::State::erased;
    entry.filter = {};
    put(entry);
    EXPECT_FALSE(fs.holds("tag-two"));
    open();
    EXPECT_EQ(registry->entries()[0], entry);
}

// Programs that do not know of it refuse the file as newer, and only then.
TEST_F(RegistryTest, TheFormatIsNewerWhileASourceHasAFilter) {
    const auto version = [this] { return fs.contents(registry_path)[8]; };
    TokenEntry entry = entry_of(2, "secret-two");
    entry.flow_source = flow_source_of("36");
    put(entry);
    EXPECT_EQ(version(), 3);
    entry.filter = filter_with("a");
    put(entry);
    EXPECT_EQ(version(), 4);
    put(entry_of(4));
    EXPECT_TRUE(registry->confirm().has_value());
    open();
    EXPECT_EQ(version(), 4);
    entry.filter = {};
    put(entry);
    EXPECT_EQ(version(), 3);
}

// A filter that is not all there would let pass what it should not.
TEST_F(RegistryTest, AFilterThatMakesNoSenseIsDamage) {
    TokenEntry entry = entry_of(2, "secret-two");
    entry.filter = filter_with("a");
    const JournalRecord whole = to_record(entry);
    const RecordHeader header = whole.header;
    ASSERT_TRUE(to_entry(header, whole.payload));
    for (std::size_t size = whole.payload.size() - 1; size > at_filter(entry); --size) {
        EXPECT_FALSE(to_entry(header, std::span(whole.payload).first(size))) << size;
    }
    auto empty = whole.payload;
    empty.resize(at_filter(entry));
    EXPECT_FALSE(to_entry(header, empty)) << "the flag says that there is one";
    empty.resize(at_filter(entry) + 6, 0);
    EXPECT_FALSE(to_entry(header, empty)) << "without entries it is none";
    auto unknown = whole.payload;
    unknown[3] = 2;
    EXPECT_FALSE(to_entry(header, unknown));
}

TEST_F(RegistryTest, EveryStateAndOriginComesBack) {
    for (const auto state :
         {TokenEntry::State::active, TokenEntry::State::gone, TokenEntry::State::erased,
          TokenEntry::State::paused, TokenEntry::State::removed, TokenEntry::State::forgotten}) {
        for (const auto origin : {TokenEntry::Origin::unstated, TokenEntry::Origin::direct,
                                  TokenEntry::Origin::configured, TokenEntry::Origin::added,
                                  TokenEntry::Origin::left}) {
            TokenEntry entry = entry_of(1);
            entry.state = state;
            entry.origin = origin;
            const bool other_token = origin == TokenEntry::Origin::configured;
            entry.pause =
                other_token ? TokenEntry::Pause::other_token : TokenEntry::Pause::by_operator;
            put(entry);
            open();
            ASSERT_EQ(registry->entries().size(), 1U);
            EXPECT_EQ(registry->entries()[0], entry);
        }
    }
}

TEST_F(RegistryTest, ALaterEntryReplacesTheSlot) {
    put(entry_of(1));
    TokenEntry paused = entry_of(1);
    paused.state = TokenEntry::State::paused;
    put(paused);
    open();
    ASSERT_EQ(registry->entries().size(), 1U);
    EXPECT_TRUE(same(registry->entries()[0], paused));
}

TEST_F(RegistryTest, PutIsDurableWhenItReturns) {
    put(entry_of(1, "secret-one"));
    ASSERT_FALSE(fs.operations().empty());
    EXPECT_EQ(fs.operations().back().op, SimOp::sync);
    put(entry_of(2, "secret-two"));
    fs.power_failure();
    open();
    EXPECT_EQ(registry->entries().size(), 2U);
}

TEST_F(RegistryTest, ALostSecretIsInNoFile) {
    put(entry_of(1, "secret-one"));
    put(entry_of(2, "secret-two"));
    ASSERT_TRUE(fs.holds("secret-one"));
    TokenEntry erased = entry_of(1);
    erased.state = TokenEntry::State::erased;
    put(erased);
    EXPECT_FALSE(fs.holds("secret-one"));
    EXPECT_TRUE(fs.holds("secret-two"));
    open();
    EXPECT_TRUE(registry->entries()[0].secret.empty());
    EXPECT_EQ(registry->entries()[1].secret.reveal(), "secret-two");
}

TEST_F(RegistryTest, ARotatedSecretIsInNoFile) {
    put(entry_of(1, "secret-one"));
    put(entry_of(1, "another-one"));
    EXPECT_FALSE(fs.holds("secret-one"));
    EXPECT_TRUE(fs.holds("another-one"));
}

TEST_F(RegistryTest, ACrashAtAnyOperationKeepsWhatWasPut) {
    for (std::uint64_t at = 1; at <= 12; ++at) {
        for (std::uint64_t seed = 0; seed < 30; ++seed) {
            SCOPED_TRACE(fmt::format("operation {}, seed {}", at, seed));
            SimFileSystem disk(seed);
            auto opened = Registry::open(disk, registry_path, log);
            const Salt salt = (*opened)->salt();
            const TokenEntry first = entry_of(1, "secret-one");
            ASSERT_TRUE((*opened)->put({&first, 1}).has_value());
            std::uint64_t done = 0;
            disk.crash_at(at);
            try {
                const TokenEntry second = entry_of(2, "secret-two");
                ASSERT_TRUE((*opened)->put({&second, 1}).has_value());
                done = 1;
                const TokenEntry erased = entry_of(1);
                ASSERT_TRUE((*opened)->put({&erased, 1}).has_value());
                done = 2;
            } catch (const SimCrash&) {
            }
            disk.power_failure();
            EXPECT_FALSE(done == 2 && disk.holds("secret-one"));
            opened = Registry::open(disk, registry_path, log);
            ASSERT_TRUE(opened.has_value()) << opened.error().message;
            EXPECT_EQ((*opened)->salt(), salt);
            const auto entries = (*opened)->entries();
            ASSERT_GE(entries.size(), done >= 1 ? 2U : 1U);
            if (done < 1 && entries.size() == 1) {
                EXPECT_EQ(entries[0].secret.reveal(), "secret-one");
            }
            EXPECT_TRUE(done < 2 || entries[0].secret.empty());
        }
    }
}

TEST_F(RegistryTest, ACrashWhileItIsMadeLeavesNothingBad) {
    for (std::uint64_t at = 1; at <= 6; ++at) {
        for (std::uint64_t seed = 0; seed < 30; ++seed) {
            SimFileSystem disk(seed);
            disk.crash_at(at);
            try {
                static_cast<void>(Registry::open(disk, registry_path, log));
            } catch (const SimCrash&) {
            }
            disk.power_failure();
            const auto opened = Registry::open(disk, registry_path, log);
            EXPECT_TRUE(opened.has_value()) << "operation " << at << ", seed " << seed;
        }
    }
}

TEST_F(RegistryTest, ATornLastRecordIsCutOff) {
    put(entry_of(1));
    put(entry_of(2));
    fs.cut(registry_path, fs.contents(registry_path).size() - 30);
    open();
    EXPECT_EQ(registry->entries().size(), 1U);
    EXPECT_EQ(log.named("spool.tail_cut").size(), 1U);
}

TEST_F(RegistryTest, OtherDamageIsAnErrorWithItsOffset) {
    put(entry_of(1));
    const std::size_t second = fs.contents(registry_path).size();
    put(entry_of(2));
    put(entry_of(3));
    fs.flip_bit(registry_path, second + 70);
    const auto opened = Registry::open(fs, registry_path, log);
    ASSERT_TRUE(opened.has_error());
    EXPECT_NE(opened.error().message.find(registry_path), std::string::npos);
    EXPECT_NE(opened.error().message.find("offset " + std::to_string(second)), std::string::npos)
        << opened.error().message;
}

TEST_F(RegistryTest, AFailedPutChangesNothingAndCanBeRepeated) {
    put(entry_of(1, "secret-one"));
    for (const SimOp op : {SimOp::write, SimOp::sync}) {
        fs.fail_next(op, EIO);
        const TokenEntry second = entry_of(2, "secret-two");
        EXPECT_TRUE(registry->put({&second, 1}).has_error());
        EXPECT_EQ(registry->entries().size(), 1U);
        put(entry_of(1, "secret-one"));
        fs.power_failure();
        open();
        EXPECT_EQ(registry->entries().size(), 1U);
    }
    put(entry_of(2));
    open();
    EXPECT_EQ(registry->entries().size(), 2U);
}

TEST_F(RegistryTest, TheFileDoesNotGrowForEver) {
    for (std::uint64_t i = 0; i < 5000; ++i) {
        TokenEntry entry = entry_of(1 + i % 3);
        entry.since = WallTime(Milliseconds(static_cast<std::int64_t>(i)));
        put(entry);
    }
    EXPECT_LT(fs.contents(registry_path).size(), 128U * 1024);
    open();
    ASSERT_EQ(registry->entries().size(), 3U);
    EXPECT_EQ(registry->entries()[1].since, WallTime(Milliseconds(4999)));
}

TEST_F(RegistryTest, WaitsComeBackTheLatestOfEach) {
    core::Hold of_token{TokenId{3}, {7, 8, 9}, 0xFEDCBA, WallTime(Milliseconds(1000))};
    const core::Hold of_destination{TokenId::none, {}, 0xABCDEF, WallTime(Milliseconds(2000))};
    ASSERT_TRUE(registry->put_hold(of_token).has_value());
    ASSERT_TRUE(registry->put_hold(of_destination).has_value());
    of_token.until += Seconds(5);
    ASSERT_TRUE(registry->put_hold(of_token).has_value());
    put(entry_of(1, "secret-one"));
    put(entry_of(1, "another"));  // rewrites the file
    for (int run = 0; run < 2; ++run) {
        const auto holds = registry->holds();
        ASSERT_EQ(holds.size(), 2U);
        EXPECT_EQ(holds[0].token, TokenId::none);
        EXPECT_EQ(holds[0].destination, 0xABCDEFU);
        EXPECT_EQ(holds[0].until, of_destination.until);
        EXPECT_EQ(holds[1].token, TokenId{3});
        EXPECT_EQ(holds[1].until, of_token.until);
        EXPECT_EQ(holds[1].fingerprint, of_token.fingerprint);
        EXPECT_EQ(holds[1].destination, 0xFEDCBAU);
        EXPECT_EQ(registry->entries().size(), 1U);
        fs.power_failure();
        open();
    }
}

TEST_F(RegistryTest, ManyWaitsDoNotMakeTheFileGrow) {
    for (int i = 0; i < 5000; ++i) {
        const core::Hold hold{TokenId{1}, {1}, 0, WallTime(Milliseconds(i))};
        ASSERT_TRUE(registry->put_hold(hold).has_value());
    }
    EXPECT_LT(fs.contents(registry_path).size(), 200'000U);
}

}  // namespace
}  // namespace flowrelay::storage
