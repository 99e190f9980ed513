#include "flowrelay/base/ascii.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay {
namespace {

TEST(Ascii, KnowsLettersAndDigitsOfAsciiAlone) {
    for (int code = 0; code < 256; ++code) {
        const char c = static_cast<char>(code);
        const bool small = code >= 'a' && code <= 'z';
        const bool capital = code >= 'A' && code <= 'Z';
        const bool digit = code >= '0' && code <= '9';
        EXPECT_EQ(ascii::is_letter(c), small || capital) << code;
        EXPECT_EQ(ascii::is_digit(c), digit) << code;
        EXPECT_EQ(ascii::is_word(c, "-\xFF"), small || capital || digit || c == '-' || code == 0xFF)
            << code;
        EXPECT_EQ(ascii::lower(c), capital ? static_cast<char>(code + 32) : c) << code;
    }
}

TEST(Ascii, FindsControlCharactersWhereverTheyAre) {
    for (std::size_t size = 0; size < 20; ++size) {
        std::string text(size, 'x');
        EXPECT_FALSE(ascii::has_control(text)) << size;
        for (std::size_t at = 0; at < size; ++at) {
            for (int code = 0; code < 256; ++code) {
                text[at] = static_cast<char>(code);
                const bool control = (code < 0x20 && code != '\t') || code == 0x7F;
                EXPECT_EQ(ascii::has_control(text), control)
                    << code << " at " << at << " of " << size;
            }
            text[at] = 'x';
        }
    }
}

TEST(Ascii, ReadsHexadecimalDigits) {
    EXPECT_EQ(ascii::hex_digit('0'), 0U);
    EXPECT_EQ(ascii::hex_digit('9'), 9U);
    EXPECT_EQ(ascii::hex_digit('a'), 10U);
    EXPECT_EQ(ascii::hex_digit('F'), 15U);
    for (const char c : {'g', 'G', '/', ':', '@', '`', ' ', '\0'}) {
        EXPECT_EQ(ascii::hex_digit(c), std::nullopt) << c;
    }
}

TEST(Ascii, ComparesWithoutRegardToCase) {
    EXPECT_TRUE(ascii::iequals("Content-Length", "cONTENT-lENGTH"));
    EXPECT_TRUE(ascii::iequals("", ""));
    EXPECT_FALSE(ascii::iequals("a", "ab"));
    EXPECT_FALSE(ascii::iequals("@", "`")) << "32 apart, and no letters";
    EXPECT_FALSE(ascii::iequals("\xC4", "\xE4")) << "a letter of Latin-1 is none here";
    EXPECT_EQ(ascii::lower("AbZ-\xC4"), "abz-\xC4");
}

TEST(Ascii, TrimsBothEnds) {
    EXPECT_EQ(ascii::trim(" \t a b\t "), "a b");
    EXPECT_EQ(ascii::trim(""), "");
    EXPECT_EQ(ascii::trim(" \t"), "");
    EXPECT_EQ(ascii::trim("\na\n"), "\na\n");
    EXPECT_EQ(ascii::trim("xxaxx", "x"), "a");
}

}  // namespace
}  // namespace flowrelay
