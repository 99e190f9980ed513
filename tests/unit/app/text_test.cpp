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

TEST(Text, counts_one_as_one) {
    EXPECT_EQ(counted(0, "event"), "0 events");
    EXPECT_EQ(counted(1, "event"), "1 event");
    EXPECT_EQ(counted(2, "event"), "2 events");
}

}  // namespace
}  // namespace flowrelay::app
