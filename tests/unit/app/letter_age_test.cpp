#include "app/letter_age.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <limits>
#include <memory>
#include <string>

#include "support/temporary_directory.hpp"

namespace flowrelay::app {
namespace {

constexpr Milliseconds day = std::chrono::hours(24);

class LetterAgeTest : public testing::Test {
protected:
    std::optional<Milliseconds> kept() {
        return read_letter_age(*fs_, directory_.file(".")).value();
    }

    void write(const std::string& text) {
        std::ofstream(letter_age_file(directory_.file(".")), std::ios::trunc) << text;
    }

    test::TemporaryDirectory directory_;
    std::unique_ptr<storage::FileSystem> fs_ = storage::make_posix_file_system();
};

TEST_F(LetterAgeTest, WhatWasWrittenLastIsReadAgain) {
    EXPECT_EQ(kept(), std::nullopt);
    for (const Milliseconds age : {Milliseconds(3'600'000), day, 30 * day, 3650 * day}) {
        ASSERT_TRUE(write_letter_age(*fs_, directory_.file("."), age).has_value());
        EXPECT_EQ(kept(), age);
    }
}

TEST_F(LetterAgeTest, AFileThatMakesNoSenseDropsNothing) {
    for (const char* text :
         {"", "\n", "ms\n", "1", "1000ms", "-1ms\n", "1h\n", "\xff\xff\xff",
          "99999999999999999999999ms\n", "315360000001ms\n", "3599999ms\n", "0ms\n"}) {
        write(text);
        EXPECT_EQ(kept(), 3650 * day) << text;
    }
}

TEST_F(LetterAgeTest, TheKeeperWritesWhatIsNew) {
    const auto keep = letter_age_keeper(*fs_, directory_.file("."));
    for (const Milliseconds age : {day, day, 2 * day, day}) {
        ASSERT_TRUE(keep(age).has_value());
        EXPECT_EQ(kept(), age);
    }
    write("7200000ms\n");
    ASSERT_TRUE(keep(day).has_value());
    EXPECT_EQ(kept(), Milliseconds(7'200'000)) << "it knows what it wrote";
    EXPECT_TRUE(letter_age_keeper(*fs_, directory_.file("nowhere"))(day).has_error());
}

TEST(LetterAgeAtStart, AShorterOneWaitsWhileItWouldDropLetters) {
    const std::optional<Milliseconds> none;
    for (const Milliseconds configured : {day, 2 * day, 30 * day}) {
        for (const Milliseconds before : {day, 2 * day, 30 * day}) {
            for (const Milliseconds oldest : {day / 2, day, day + Milliseconds(1), 29 * day}) {
                const bool waits = configured < before && oldest > configured;
                EXPECT_EQ(letter_age_at_start(configured, before, oldest),
                          waits ? before : configured);
            }
            EXPECT_EQ(letter_age_at_start(configured, before, none), configured) << "no letters";
        }
        EXPECT_EQ(letter_age_at_start(configured, none, 40 * day), configured) << "not known";
    }
}

}  // namespace
}  // namespace flowrelay::app
