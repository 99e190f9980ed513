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

}  // namespace
}  // namespace flowrelay::app
