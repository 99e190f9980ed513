#include "flowrelay/base/utf8.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay {
namespace {

const std::string mark(replacement_utf8);

TEST(RepairUtf8, KeepsValidText) {
    for (const std::string& text :
         {std::string(), std::string("plain\n\ttext"), std::string("größe €"),
          std::string("\xF0\x9F\x98\x80"), mark, std::string(3, '\0')}) {
        EXPECT_EQ(repair_utf8(text), text);
    }
}

TEST(RepairUtf8, ReplacesEachInvalidByte) {
    EXPECT_EQ(repair_utf8("a\xFF\xFE z"), "a" + mark + mark + " z");
    EXPECT_EQ(repair_utf8("caf\xE9"), "caf" + mark);             // Latin-1
    EXPECT_EQ(repair_utf8("\xE2\x82"), mark + mark);             // cut off
    EXPECT_EQ(repair_utf8("\xC1\xBF"), mark + mark);             // overlong
    EXPECT_EQ(repair_utf8("\xED\xBF\xBF"), mark + mark + mark);  // surrogate
}

}  // namespace
}  // namespace flowrelay
