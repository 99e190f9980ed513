#include "flowrelay/app/text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::app {
namespace {

const std::string mark = "\xEF\xBF\xBD";  // U+FFFD

TEST(Printable, marks_what_a_terminal_would_obey) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\nc"), "a" + mark + "[2Jb" + mark + mark + "c");
    EXPECT_EQ(printable("\xC2\x9B"), mark);             // CSI of C1
    EXPECT_EQ(printable("\xE2\x80\xAEx"), mark + "x");  // right-to-left override
    EXPECT_EQ(printable("größe"), "größe");
}

TEST(Printable, marks_what_nobody_sees) {
    for (const char* hidden : {"\xC2\xAD", "\xE2\x80\x8B", "\xE2\x81\xA0", "\xE2\x81\xA4",
                               "\xEF\xBB\xBF", "\xE1\xA0\x8E", "\xF3\xA0\x81\xA1"}) {
        EXPECT_EQ(printable(std::string("main") + hidden), "main" + mark) << hidden;
    }
    const std::string joined = "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB";  // an emoji
    EXPECT_EQ(printable(joined), joined);
}

TEST(Text, counts_one_as_one) {
    EXPECT_EQ(counted(0, "event"), "0 events");
    EXPECT_EQ(counted(1, "event"), "1 event");
    EXPECT_EQ(counted(2, "event"), "2 events");
}

}  // namespace
}  // namespace flowrelay::app
