#include "storage/open_files.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

using test::SimFileSystem;
using test::SimOp;
using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(std::string_view text) {
    return {text.begin(), text.end()};
}

std::string text_of(File& file) {
    Bytes bytes(64);
    const auto got = file.read_at(0, bytes);
    if (got.has_error()) return got.error().message;
    return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*got)};
}

/// Creates a file that contains its name.
std::unique_ptr<File> make(FileSystem& files, const std::string& name) {
    auto file = files.create("/state/" + name).value();
    EXPECT_TRUE(file->write_at(0, bytes_of(name)).has_value());
    EXPECT_TRUE(file->sync().has_value());
    return file;
}

class OpenFilesTest : public testing::Test {
protected:
    SimFileSystem fs{1};
    OpenFiles files{fs, 2};
};

TEST_F(OpenFilesTest, FewAreOpenAndAllAreReadAndWritten) {
    std::vector<std::unique_ptr<File>> all;
    for (int i = 0; i < 20; ++i) all.push_back(make(files, std::to_string(i)));
    EXPECT_EQ(files.open_now(), 2U);
    for (int i = 0; i < 20; ++i) {
        EXPECT_EQ(text_of(*all[static_cast<std::size_t>(i)]), std::to_string(i));
        EXPECT_LE(fs.open_files(), 2U);
    }
    all.clear();
    EXPECT_EQ(files.open_now(), 0U);
}

TEST_F(OpenFilesTest, WhatIsNotSyncedStaysOpen) {
    std::vector<std::unique_ptr<File>> all;
    for (int i = 0; i < 5; ++i) all.push_back(make(files, std::to_string(i)));
    for (auto& file : all) ASSERT_TRUE(file->write_at(0, bytes_of("x")).has_value());
    EXPECT_EQ(files.open_now(), 5U);
    for (auto& file : all) ASSERT_TRUE(file->sync().has_value());
    all.push_back(make(files, "another"));
    EXPECT_EQ(files.open_now(), 2U);
    fs.fail_next(SimOp::sync, EIO);
    ASSERT_TRUE(all[0]->write_at(0, bytes_of("y")).has_value());
    EXPECT_TRUE(all[0]->sync().has_error());
    for (int i = 6; i < 9; ++i) all.push_back(make(files, std::to_string(i)));
    EXPECT_EQ(files.open_now(), 2U);
    EXPECT_EQ(fs.open_files(), 2U);
    EXPECT_TRUE(all[0]->sync().has_value()) << "on the descriptor that was written to";
}

TEST_F(OpenFilesTest, AFileIsFoundUnderItsNewName) {
    auto file = make(files, "old");
    ASSERT_TRUE(files.rename("/state/old", "/state/new").has_value());
    const auto old = make(files, "old");
    const auto other = make(files, "other");
    EXPECT_EQ(text_of(*old), "old");
    EXPECT_EQ(text_of(*other), "other");
    EXPECT_EQ(text_of(*file), "old");
    EXPECT_EQ(old->size().value(), 3U);
}

TEST_F(OpenFilesTest, AFileWhoseNameIsGivenToAnotherKeepsItsContents) {
    auto replaced = make(files, "name");
    auto removed = make(files, "removed");
    auto fresh = make(files, "name.tmp");
    std::vector<std::unique_ptr<File>> others;
    for (const char* name : {"a", "b"}) others.push_back(make(files, name));
    ASSERT_TRUE(files.rename("/state/name.tmp", "/state/name").has_value());
    ASSERT_TRUE(files.remove("/state/removed").has_value());
    for (const char* name : {"c", "d"}) others.push_back(make(files, name));
    EXPECT_EQ(text_of(*replaced), "name");
    EXPECT_EQ(text_of(*removed), "removed");
    EXPECT_EQ(text_of(*fresh), "name.tmp");
    EXPECT_EQ(text_of(*files.open("/state/name").value()), "name.tmp");
    replaced.reset();
    removed.reset();
    EXPECT_LE(files.open_now(), 2U);
}

TEST_F(OpenFilesTest, ARenameThatFailsChangesNothing) {
    auto from = make(files, "from");
    auto onto = make(files, "onto");
    std::vector<std::unique_ptr<File>> others;
    for (const char* name : {"a", "b"}) others.push_back(make(files, name));
    fs.fail_next(SimOp::rename, EIO);
    EXPECT_TRUE(files.rename("/state/from", "/state/onto").has_error());
    fs.fail_next(SimOp::remove, EIO);
    EXPECT_TRUE(files.remove("/state/onto").has_error());
    for (const char* name : {"c", "d"}) others.push_back(make(files, name));
    EXPECT_EQ(text_of(*from), "from");
    EXPECT_EQ(text_of(*onto), "onto");
}

TEST_F(OpenFilesTest, WithoutDescriptorsOneOfItsOwnIsGivenAway) {
    OpenFiles many(fs, 100);
    std::vector<std::unique_ptr<File>> all;
    for (int i = 0; i < 5; ++i) all.push_back(make(many, std::to_string(i)));
    fs.set_descriptors(5);
    all.push_back(make(many, "5"));
    EXPECT_EQ(many.open_now(), 5U);
    for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(text_of(*all[i]), std::to_string(i));
    EXPECT_EQ(fs.open_files(), 5U);
}

TEST_F(OpenFilesTest, AFileThatCanNotBeOpenedAgainSaysWhy) {
    auto file = make(files, "file");
    const auto a = make(files, "a");
    const auto b = make(files, "b");
    auto held = make(files, "c");
    ASSERT_TRUE(held->write_at(0, bytes_of("x")).has_value());
    fs.set_descriptors(1);
    Bytes out(1);
    const auto got = file->read_at(0, out);
    ASSERT_TRUE(got.has_error());
    EXPECT_TRUE(is_out_of_descriptors(got.error().code));
    fs.set_descriptors(100);
    EXPECT_EQ(text_of(*file), "file");
}

/// Programs see the same with and without a limit.
TEST(OpenFilesProperty, AreLikeTheFileSystemBelow) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        SimFileSystem plain(seed);
        SimFileSystem below(seed);
        OpenFiles bounded(below, 1 + random.below(3));
        std::vector<std::pair<std::unique_ptr<File>, std::unique_ptr<File>>> held;
        const auto name = [&random] { return "/state/" + std::to_string(random.below(6)); };
        for (int step = 0; step < 200; ++step) {
            const std::string path = name();
            std::string a;
            std::string b;
            const auto tell = [](std::string& out, const auto& result) {
                out = result.has_error() ? result.error().message : "done";
            };
            const auto keep = [&](auto one, auto other) {
                tell(a, one);
                tell(b, other);
                if (one.has_value() && other.has_value()) {
                    held.emplace_back(std::move(*one), std::move(*other));
                }
            };
            switch (random.below(8)) {
                case 0:
                    keep(plain.create(path), bounded.create(path));
                    break;
                case 1:
                    keep(plain.open(path), bounded.open(path));
                    break;
                case 2: {
                    const std::string to = name();
                    if (to == path) break;
                    tell(a, plain.rename(path, to));
                    tell(b, bounded.rename(path, to));
                    break;
                }
                case 3:
                    tell(a, plain.remove(path));
                    tell(b, bounded.remove(path));
                    break;
                case 4:
                    if (!held.empty()) {
                        held.erase(held.begin() +
                                   static_cast<std::ptrdiff_t>(random.below(held.size())));
                    }
                    break;
                default:
                    if (held.empty()) break;
                    auto& [one, other] = held[random.below(held.size())];
                    if (random.chance(0.5)) {
                        const auto text = bytes_of(std::to_string(random.below(1000)));
                        tell(a, one->write_at(0, text));
                        tell(b, other->write_at(0, text));
                        if (random.chance(0.8)) {
                            tell(a, one->sync());
                            tell(b, other->sync());
                        }
                    } else {
                        a = text_of(*one);
                        b = text_of(*other);
                    }
            }
            ASSERT_EQ(a, b) << "step " << step;
            ASSERT_EQ(plain.paths(), below.paths());
        }
    }
}

/// 0.5 GiB in segments of 64 KiB would need 16,000 descriptors.
class ManySegments : public test::LogFixture {};

TEST_F(ManySegments, AreDeliveredErasedAndReadAgainWithFewOpenFiles) {
    options.max_size = 64 << 20;
    options.max_open_files = 8;
    open();
    constexpr std::size_t most = 8 + 4;  // the active one, the journal, the lock's
    while (segments().size() < 300) append(60, TokenId{1 + next_number % 3}, 1000);
    EXPECT_LE(fs.open_files(), most);
    fs.set_descriptors(most);
    const std::uint64_t last = next_number - 1;
    open();
    EXPECT_EQ(queued().size(), last);
    for (std::uint64_t seq = 1; seq <= last; seq += 97) {
        const auto event = queue->read(Seq{seq});
        ASSERT_TRUE(event.has_value()) << event.error().message;
        EXPECT_TRUE(test::same(*event, test::make_event(seq, event->token, 1000)));
    }
    settle(1, last / 2);
    append(100);
    const std::vector<TokenId> gone{TokenId{2}};
    queue->begin_erasure(gone);
    for (int steps = 0; steps < 10'000; ++steps) {
        const auto erased = queue->erase_some();
        ASSERT_TRUE(erased.has_value()) << erased.error().message;
        if (*erased) break;
    }
    EXPECT_FALSE(fs.holds("token-2-mark"));
    while (queue->maintain().value()) {
    }
    EXPECT_LE(fs.open_files(), most);
    const auto left = queued();
    power_failure();
    open();
    EXPECT_EQ(queued(), left);
    EXPECT_TRUE(log.named("spool.damaged").empty());
    EXPECT_EQ(unaccounted(), 0);
}

}  // namespace
}  // namespace flowrelay::storage
