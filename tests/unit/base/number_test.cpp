#include "flowrelay/base/number.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace flowrelay {
namespace {

TEST(Number, IsReadAsAWhole) {
    EXPECT_EQ(parse_number<std::uint64_t>("0"), 0U);
    EXPECT_EQ(parse_number<std::uint64_t>("0042"), 42U);
    EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"), UINT64_MAX);
}

TEST(Number, NothingElseIsOne) {
    for (const char* text : {"", " 1", "1 ", "+1", "-1", "1.5", "1e3", "0x1", "seven", "1\n"}) {
        EXPECT_EQ(parse_number<std::uint64_t>(text), std::nullopt) << text;
    }
}

TEST(Number, HasToFit) {
    EXPECT_EQ(parse_number<std::uint16_t>("65535"), 65535U);
    EXPECT_EQ(parse_number<std::uint16_t>("65536"), std::nullopt);
    EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551616"), std::nullopt);
}

}  // namespace
}  // namespace flowrelay
