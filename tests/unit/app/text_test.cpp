#include "flowrelay/app/text.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

namespace flowrelay::app {
namespace {

const std::string mark = "\xEF\xBF\xBD";  // U+FFFD

TEST(Printable, EscapesWhatATerminalWouldObey) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\nc"), "a" + mark + "[2Jb" + mark + mark + "c");
    EXPECT_EQ(printable("\xC2\x9B"), mark);             // CSI of C1
    EXPECT_EQ(printable("\xE2\x80\xAEx"), mark + "x");  // right-to-left override
    EXPECT_EQ(printable("größe"), "größe");
}

TEST(Printable, EscapesInvisibleCharacters) {
    for (const char* hidden : {"\xC2\xAD", "\xE2\x80\x8B", "\xE2\x81\xA0", "\xE2\x81\xA4",
                               "\xEF\xBB\xBF", "\xE1\xA0\x8E", "\xF3\xA0\x81\xA1"}) {
        EXPECT_EQ(printable(std::string("main") + hidden), "main" + mark) << hidden;
    }
}

TEST(Printable, KeepsCharactersThatWordsAndEmojiNeed) {
    for (const std::string spelled : {"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB",  // U+200D
                                      "\xE2\x9D\xA4\xEF\xB8\x8F",                      // U+FE0F
                                      "\xE2\x9D\xA4\xEF\xB8\x8F\xE2\x80\x8D\xF0\x9F\x94\xA5",
                                      "\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xAE"}) {  // U+200C
        EXPECT_EQ(printable(spelled), spelled);
        std::string quoted;
        append_quoted(quoted, spelled);
        EXPECT_EQ(quoted, '"' + spelled + '"');
    }
    for (const std::string joiner : {"\xE2\x80\x8D", "\xE2\x80\x8C", "\xEF\xB8\x8F"}) {
        EXPECT_EQ(printable(joiner), mark);
        EXPECT_EQ(printable("main" + joiner), "main" + mark);
        EXPECT_EQ(printable("\xE2\x80\x8B" + joiner), mark + mark);
        EXPECT_EQ(printable("\xC3\x9F\xE2\x80\x8D" + joiner), "\xC3\x9F\xE2\x80\x8D" + mark);
    }
}

TEST(Text, EscapesBothEndsOfARange) {
    const std::pair<char32_t, char32_t> ranges[] = {
        {0x00, 0x1F},       {0x7F, 0x9F},       {0xAD, 0xAD},      {0x034F, 0x034F},
        {0x061C, 0x061C},   {0x115F, 0x1160},   {0x17B4, 0x17B5},  {0x180B, 0x180F},
        {0x200B, 0x200F},   {0x2028, 0x202E},   {0x2060, 0x206F},  {0x3164, 0x3164},
        {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},  {0xFFF0, 0xFFFB},
        {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};
    for (const auto& [first, last] : ranges) {
        for (char32_t code = first; code <= last; ++code) {
            EXPECT_TRUE(is_control(code)) << std::hex << static_cast<std::uint32_t>(code);
        }
        if (first > 0) {
            EXPECT_FALSE(is_control(first - 1));
        }
        EXPECT_FALSE(is_control(last + 1));
    }
}

TEST(Text, UsesTheSingularForOne) {
    EXPECT_EQ(counted(0, "event"), "0 events");
    EXPECT_EQ(counted(1, "event"), "1 event");
    EXPECT_EQ(counted(2, "event"), "2 events");
}

}  // namespace
}  // namespace flowrelay::app
