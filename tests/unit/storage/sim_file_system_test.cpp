// Tests the simulated disk that other tests rely on.
#include "support/sim_file_system.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "flowrelay/base/bytes.hpp"

namespace flowrelay::test {
namespace {

constexpr const char* path = "/state/file";

std::string text(SimFileSystem& fs, const std::string& file) {
    const auto bytes = fs.contents(file);
    return std::string(as_text(bytes));
}

/// Creates a file with `size` durable bytes of 'a'.
std::unique_ptr<storage::File> durable_file(SimFileSystem& fs, std::size_t size) {
    auto file = fs.create(path);
    const std::string filled(size, 'a');
    EXPECT_TRUE((*file)->write_at(0, as_bytes(filled)).has_value());
    EXPECT_TRUE((*file)->sync().has_value());
    EXPECT_TRUE(fs.sync_directory("/state").has_value());
    return std::move(*file);
}

TEST(SimFileSystem, WhatWasSyncedStays) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SimFileSystem fs(seed);
        durable_file(fs, 5000);
        fs.power_failure();
        EXPECT_EQ(text(fs, path), std::string(5000, 'a'));
    }
}

TEST(SimFileSystem, WhatWasNotSyncedIsLostOrTornAtSectors) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        SimFileSystem fs(seed);
        const auto file = durable_file(fs, 4 * 512);
        EXPECT_TRUE(file->write_at(0, as_bytes(std::string(4 * 512, 'b'))).has_value());
        fs.power_failure();
        const std::string now = text(fs, path);
        std::string pattern;
        for (std::size_t s = 0; s < 4; ++s) {
            const char first = now[s * 512];
            EXPECT_EQ(now.substr(s * 512, 512), std::string(512, first));
            pattern += first;
        }
        outcomes.insert(pattern);
    }
    EXPECT_EQ(outcomes.size(), 16U) << "not every subset of the sectors came about";
}

TEST(SimFileSystem, NamesAreLostUntilTheDirectoryIsSynced) {
    bool lost = false;
    bool kept = false;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SimFileSystem fs(seed);
        auto file = fs.create(path);
        EXPECT_TRUE((*file)->sync().has_value());
        fs.power_failure();
        (fs.exists(path).value() ? kept : lost) = true;
    }
    EXPECT_TRUE(lost);
    EXPECT_TRUE(kept);
}

TEST(SimFileSystem, RemovedFilesMayComeBackUntilTheDirectoryIsSynced) {
    bool back = false;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SimFileSystem fs(seed);
        durable_file(fs, 10);
        EXPECT_TRUE(fs.remove(path).has_value());
        EXPECT_FALSE(fs.exists(path).value());
        EXPECT_TRUE(fs.holds("aaaa"));
        fs.power_failure();
        back = back || fs.exists(path).value();
    }
    EXPECT_TRUE(back);
    SimFileSystem fs(1);
    durable_file(fs, 10);
    EXPECT_TRUE(fs.remove(path).has_value());
    EXPECT_TRUE(fs.sync_directory("/state").has_value());
    EXPECT_FALSE(fs.holds("aaaa"));
    fs.power_failure();
    EXPECT_FALSE(fs.exists(path).value());
}

TEST(SimFileSystem, AfterAFailedSyncALaterOneDoesNotHelp) {
    bool lost = false;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        SimFileSystem fs(seed);
        const auto file = durable_file(fs, 512);
        EXPECT_TRUE(file->write_at(0, as_bytes(std::string(512, 'b'))).has_value());
        fs.fail_next(SimOp::sync, EIO);
        EXPECT_TRUE(file->sync().has_error());
        EXPECT_TRUE(file->sync().has_value());
        EXPECT_EQ(text(fs, path), std::string(512, 'b')) << "it still reads back";
        fs.power_failure();
        lost = lost || text(fs, path) == std::string(512, 'a');
    }
    EXPECT_TRUE(lost);
}

TEST(SimFileSystem, ADyingProcessLosesNothing) {
    SimFileSystem fs(1);
    const auto file = durable_file(fs, 512);
    EXPECT_TRUE(file->write_at(0, as_bytes("bbb")).has_value());
    fs.kill_process();
    EXPECT_EQ(text(fs, path).substr(0, 4), "bbba");
}

TEST(SimFileSystem, AProcessMayDieAtTheChosenOperation) {
    SimFileSystem fs(1);
    const auto file = durable_file(fs, 10);
    fs.crash_at(1);
    EXPECT_THROW(static_cast<void>(file->write_at(0, as_bytes("b"))), SimCrash);
    fs.crash_at(0);
    fs.kill_process();
    EXPECT_NO_THROW(static_cast<void>(file->sync())) << "of the next process";
    EXPECT_EQ(text(fs, path).substr(0, 2), "ba");
}

TEST(SimFileSystem, AFullDiskTakesAPartOfAWrite) {
    SimFileSystem fs(1);
    const auto file = durable_file(fs, 100);
    fs.set_capacity(110);
    const auto written = file->write_at(100, as_bytes(std::string(20, 'b')));
    ASSERT_TRUE(written.has_error());
    EXPECT_EQ(written.error().code, boost::system::errc::no_space_on_device);
    EXPECT_EQ(file->size().value(), 110U);
    EXPECT_TRUE(file->write_at(0, as_bytes("c")).has_value()) << "there is room for that already";
    EXPECT_TRUE(file->allocate(111).has_error());
}

TEST(SimFileSystem, ThePowerFailsAtTheChosenOperation) {
    SimFileSystem fs(1);
    const auto file = durable_file(fs, 10);
    fs.crash_at(2);
    EXPECT_NO_THROW(static_cast<void>(file->write_at(0, as_bytes("b"))));
    EXPECT_THROW(static_cast<void>(file->sync()), SimCrash);
}

TEST(SimFileSystem, TheSameSeedGivesTheSameDisk) {
    const auto run = [](std::uint64_t seed) {
        SimFileSystem fs(seed);
        const auto file = durable_file(fs, 20 * 512);
        EXPECT_TRUE(file->write_at(0, as_bytes(std::string(20 * 512, 'b'))).has_value());
        fs.power_failure();
        return fs.contents(path);
    };
    std::set<std::vector<std::uint8_t>> results;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        EXPECT_EQ(run(seed), run(seed));
        results.insert(run(seed));
    }
    EXPECT_GT(results.size(), 5U);
}

TEST(SimFileSystem, BytesThatWereCutOffComeBackAsZeros) {
    SimFileSystem fs(1);
    const auto file = durable_file(fs, 2000);
    EXPECT_TRUE(file->truncate(100).has_value());
    EXPECT_TRUE(file->allocate(2000).has_value());
    EXPECT_TRUE(file->sync().has_value());
    fs.power_failure();
    EXPECT_EQ(text(fs, path), std::string(100, 'a') + std::string(1900, '\0'));
}

}  // namespace
}  // namespace flowrelay::test
