#include "flowrelay/app/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::app {
namespace {

const std::string mark = "\xEF\xBF\xBD";  // U+FFFD

TEST(RepairUtf8, leaves_valid_text_alone) {
    for (const std::string& text :
         {std::string(), std::string("plain\n\ttext"), std::string("größe €"),
          std::string("\xF0\x9F\x98\x80"), mark, std::string(3, '\0')}) {
        EXPECT_EQ(repair_utf8(text), text);
    }
}

TEST(RepairUtf8, marks_each_byte_that_is_not_utf8) {
    EXPECT_EQ(repair_utf8("a\xFF\xFE z"), "a" + mark + mark + " z");
    EXPECT_EQ(repair_utf8("caf\xE9"), "caf" + mark);             // Latin-1
    EXPECT_EQ(repair_utf8("\xE2\x82"), mark + mark);             // cut off
    EXPECT_EQ(repair_utf8("\xC1\xBF"), mark + mark);             // overlong
    EXPECT_EQ(repair_utf8("\xED\xBF\xBF"), mark + mark + mark);  // surrogate
}

TEST(Printable, marks_what_a_terminal_would_obey) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\nc"), "a" + mark + "[2Jb" + mark + mark + "c");
    EXPECT_EQ(printable("\xC2\x9B"), mark);             // CSI of C1
    EXPECT_EQ(printable("\xE2\x80\xAEx"), mark + "x");  // right-to-left override
    EXPECT_EQ(printable("größe"), "größe");
}

}  // namespace
}  // namespace flowrelay::app
