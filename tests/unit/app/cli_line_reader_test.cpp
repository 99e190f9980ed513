#include "cli/line_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flowrelay::cli {
namespace {

using ::testing::ElementsAre;

/// Returns each line as "NUMBER:TEXT@END" or "NUMBER:too long@END".
std::vector<std::string> take_all(LineReader& reader) {
    std::vector<std::string> lines;
    while (const auto line = reader.next()) {
        lines.push_back(std::to_string(line->number) + ":" +
                        (line->too_long ? "too long" : std::string(line->text)) + "@" +
                        std::to_string(line->end));
    }
    return lines;
}

TEST(LineReader, ReturnsWholeLinesOnly) {
    LineReader reader(100);
    reader.put("one\ntw");
    EXPECT_THAT(take_all(reader), ElementsAre("1:one@4"));
    reader.put("o\nthree");
    EXPECT_THAT(take_all(reader), ElementsAre("2:two@8"));
    EXPECT_EQ(reader.buffered(), 5U);
    reader.put_end();
    EXPECT_THAT(take_all(reader), ElementsAre("3:three@13"));
    EXPECT_THAT(take_all(reader), ElementsAre());
    EXPECT_EQ(reader.buffered(), 0U);
}

TEST(LineReader, SkipsBlankLinesButCountsThem) {
    LineReader reader(100);
    reader.put("\n \t\r\na\r\n\n");
    reader.put_end();
    EXPECT_THAT(take_all(reader), ElementsAre("3:a@8"));
    EXPECT_EQ(reader.last_number(), 4U);
}

TEST(LineReader, SkipsALineThatIsTooLong) {
    LineReader reader(4);
    reader.put("1234\n12345\nab\n");
    EXPECT_THAT(take_all(reader), ElementsAre("1:1234@5", "2:too long@11", "3:ab@14"));
}

TEST(LineReader, DoesNotKeepALineThatIsTooLong) {
    LineReader reader(4);
    for (int i = 0; i < 1000; ++i) {
        reader.put("0123456789");
        EXPECT_THAT(take_all(reader), ElementsAre());
        EXPECT_EQ(reader.buffered(), 0U);
    }
    reader.put("x\nab\n");
    EXPECT_THAT(take_all(reader), ElementsAre("1:too long@10002", "2:ab@10005"));
}

TEST(LineReader, ReportsALastLineThatIsTooLong) {
    LineReader reader(4);
    reader.put("01234");
    EXPECT_THAT(take_all(reader), ElementsAre());
    reader.put_end();
    EXPECT_THAT(take_all(reader), ElementsAre("1:too long@5"));
    EXPECT_THAT(take_all(reader), ElementsAre());

    LineReader at_once(4);
    at_once.put("01234");
    at_once.put_end();
    EXPECT_THAT(take_all(at_once), ElementsAre("1:too long@5"));
}

TEST(LineReader, FindsTheSameLinesInChunksOfAnySize) {
    std::string text;
    for (int i = 0; i < 50; ++i) text += std::string(static_cast<std::size_t>(i % 9), 'a') + "\n";
    LineReader whole(6);
    whole.put(text);
    whole.put_end();
    const auto expected = take_all(whole);
    for (std::size_t size = 1; size < 20; ++size) {
        LineReader reader(6);
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < text.size(); at += size) {
            reader.put(text.substr(at, size));
            for (auto& line : take_all(reader)) lines.push_back(line);
        }
        reader.put_end();
        for (auto& line : take_all(reader)) lines.push_back(line);
        EXPECT_EQ(lines, expected) << size;
    }
}

}  // namespace
}  // namespace flowrelay::cli
