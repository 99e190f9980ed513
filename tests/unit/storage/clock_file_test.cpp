#include "flowrelay/storage/clock_file.hpp"

#include <gtest/gtest.h>

#include "hex.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::storage {
namespace {

constexpr const char* path = "/state/clock";

core::ClockAnchor anchor(std::int64_t n) {
    return {WallTime(Milliseconds(1'800'000'000'000 + n)), WallTime(Milliseconds(-5)),
            Milliseconds(86'400'000), "0f0e0d0c-0b0a-4908-8706-050403020100"};
}

TEST(ClockFile, HasItsGoldenBytes) {
    EXPECT_EQ(test::hex(encode(anchor(0))),
              "4652434c 4f434b31 00505c18 a3010000\n"
              "fbffffff ffffffff 005c2605 00000000\n"
              "30663065 30643063 2d306230 612d3439\n"
              "30382d38 3730362d 30353034 30333032\n"
              "30313030 00000000 00000000 314efcce\n");
    EXPECT_EQ(decode_clock(encode(anchor(0))), anchor(0));
}

TEST(ClockFile, AnyOtherBytesAreNone) {
    auto bytes = encode(anchor(0));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        bytes.at(at) ^= 1;
        EXPECT_FALSE(decode_clock(bytes)) << at;
        bytes.at(at) ^= 1;
        EXPECT_FALSE(decode_clock(std::span<const std::uint8_t>(bytes).first(at)));
    }
}

TEST(ClockFile, IsTheOldOneOrTheNewOneAfterACrash) {
    for (std::uint64_t crash = 1; crash < 12; ++crash) {
        test::SimFileSystem fs(crash);
        ASSERT_TRUE(fs.make_directory("/state").has_value());
        EXPECT_EQ(read_clock(fs, path).value(), std::nullopt);
        ASSERT_TRUE(write_clock(fs, path, anchor(1)).has_value());
        ASSERT_EQ(read_clock(fs, path).value(), anchor(1));
        fs.crash_at(crash);
        try {
            static_cast<void>(write_clock(fs, path, anchor(2)));
        } catch (const test::SimCrash&) {
        }
        fs.crash_at(0);
        fs.power_failure();
        const auto found = read_clock(fs, path).value();
        EXPECT_TRUE(found == anchor(1) || found == anchor(2)) << crash;
        ASSERT_TRUE(write_clock(fs, path, anchor(3)).has_value())
            << "what was left is no hindrance";
        EXPECT_EQ(read_clock(fs, path).value(), anchor(3));
    }
}

}  // namespace
}  // namespace flowrelay::storage
