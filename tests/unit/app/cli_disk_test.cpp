#include <gtest/gtest.h>

#include <filesystem>

#include "cli/disk_probe.hpp"
#include "cli/kill_test.hpp"
#include "cli/power_cut.hpp"

namespace flowrelay::cli {
namespace {

TEST(DiskProbe, KnowsFileSystemsThatPromiseLittle) {
    EXPECT_EQ(kind_of_file_system(0xEF53).name, "ext4");
    EXPECT_EQ(kind_of_file_system(0xEF53).warning, "");
    EXPECT_TRUE(kind_of_file_system(0x01021994).is_lost);  // tmpfs
    EXPECT_FALSE(kind_of_file_system(0x6969).is_lost);     // nfs
    EXPECT_NE(kind_of_file_system(0x6969).warning, "");
    EXPECT_NE(kind_of_file_system(0x794C7630).warning, "");  // overlay
    EXPECT_EQ(kind_of_file_system(0x1234).name, "of type 0x1234");
}

TEST(DiskProbe, SumsUpLatencies) {
    std::vector<Microseconds> samples;
    for (int i = 100; i > 0; --i) samples.push_back(Microseconds(i));
    const Latency latency = latency_of(samples);
    EXPECT_EQ(latency.median, Microseconds(51));
    EXPECT_EQ(latency.p99, Microseconds(100));
    EXPECT_EQ(latency.samples, 100U);
}

TEST(PowerCut, CountsWhatIsLost) {
    // Nothing is lost: all that was seen is there, or more.
    EXPECT_EQ(lost_in_power_cut({.first = 1, .last = 100}, 100), 0U);
    EXPECT_EQ(lost_in_power_cut({.first = 1, .last = 160}, 100), 0U);
    EXPECT_EQ(lost_in_power_cut({.first = 5905, .last = 10'000}, 10'000), 0U);
    // The oldest events were settled by a commit whose own events are missing.
    EXPECT_EQ(lost_in_power_cut({.first = 5921, .last = 10'000}, 10'000), 0U);
    // Loss at the end, in the middle, at the beginning, of everything.
    EXPECT_EQ(lost_in_power_cut({.first = 1, .last = 100}, 150), 50U);
    EXPECT_EQ(lost_in_power_cut({.first = 1, .last = 100, .missing = 7}, 100), 7U);
    EXPECT_EQ(lost_in_power_cut({.first = 11, .last = 100}, 100), 10U);
    EXPECT_EQ(lost_in_power_cut({.first = 6000, .last = 10'000}, 10'000), 79U);
    EXPECT_EQ(lost_in_power_cut({}, 100), 100U);
    // Settled events are not lost.
    EXPECT_EQ(lost_in_power_cut({}, 10'000), 4096U);
}

TEST(PowerCut, FindsWhatItWrote) {
    const auto directory = TestDirectory::make(std::filesystem::temp_directory_path().string());
    ASSERT_TRUE(directory.has_value());
    std::uint64_t last = 0;
    const auto written = write_until_power_cut(
        directory->path(), MonoTime::max(), [&last] { return last >= 4200; },
        [&last](std::uint64_t number) { last = number; });
    ASSERT_TRUE(written.has_value()) << written.error().message;
    const auto found = look_after_power_cut(directory->path());
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->last, last);
    EXPECT_EQ(found->first, last - 4096 + 1);
    EXPECT_EQ(found->missing, 0U);
    EXPECT_EQ(found->damaged, 0U);
    EXPECT_EQ(lost_in_power_cut(*found, last), 0U);
    EXPECT_FALSE(result_of_power_cut(directory->path()));
    ASSERT_TRUE(close_power_cut(directory->path(), "fine").has_value());
    EXPECT_EQ(result_of_power_cut(directory->path()), "fine");
}

TEST(TestDirectory, GoesAwayWithEverything) {
    const std::string parent = std::filesystem::temp_directory_path().string();
    std::string path;
    {
        const auto directory = TestDirectory::make(parent);
        ASSERT_TRUE(directory.has_value());
        path = directory->path();
        std::filesystem::create_directories(path + "/a/b");
        EXPECT_TRUE(std::filesystem::exists(path));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
    EXPECT_TRUE(TestDirectory::make(parent + "/nowhere").has_error());
}

}  // namespace
}  // namespace flowrelay::cli
