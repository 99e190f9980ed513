// Tests events that an operator books as lost: the books balance again, over restarts and crashes.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "log_fixture.hpp"

namespace flowrelay::storage {
namespace {

using test::SimCrash;
using test::SimOp;

class LogLossTest : public test::LogFixture {
protected:
    /// Makes a log that has lost the events 4 to 6, and knows it.
    void lose_three() {
        open();
        append(3);
        const std::uint64_t offset = first_record + 3 * event_size();
        append(3);
        append(4);
        const std::vector<std::uint8_t> rubbish(3 * event_size(), 0xFF);
        queue.reset();
        fs.overwrite(segment(1), offset, rubbish);
        open();
        ASSERT_EQ(unaccounted(), 3);
    }

    static core::LossBooking booking(std::uint32_t uid = 1000) {
        return {WallTime(Milliseconds(1'700'000'000'000)), uid};
    }
};

TEST_F(LogLossTest, BookedLossesBalanceTheBooksForGood) {
    lose_three();
    EXPECT_EQ(queue->last_loss(), std::nullopt);
    ASSERT_TRUE(queue->book_lost({3}, booking()).has_value());
    for (int life = 0; life < 3; ++life) {
        SCOPED_TRACE(life);
        EXPECT_EQ(unaccounted(), 0);
        EXPECT_EQ(queue->ledger().lost, 3U);
        EXPECT_EQ(queue->last_loss(), booking());
        append(500);  // into later segments
        settle(10, 30);
        drop_indexes();
        open();
    }
    EXPECT_GT(segments().size(), 2U);
    EXPECT_EQ(queue->ledger().accepted, 1510U);
}

TEST_F(LogLossTest, LettersThatAreMissingLeaveTheDeadForGood) {
    open();
    append(20);
    settle(1, 5, core::Outcome::dead);
    settle(6, 9, core::Outcome::expired);
    ASSERT_TRUE(queue->book_lost({0, 4, 2}, booking()).has_value());
    for (int life = 0; life < 3; ++life) {
        SCOPED_TRACE(life);
        EXPECT_EQ(unaccounted(), 0);
        EXPECT_EQ(queue->ledger().dead, 1U + static_cast<unsigned>(life));
        EXPECT_EQ(queue->ledger().expired, 2U);
        EXPECT_EQ(queue->ledger().lost, 6U);
        EXPECT_EQ(queue->last_loss(), booking());
        const std::uint64_t next = 10 + static_cast<std::uint64_t>(life);
        settle(next, next, core::Outcome::dead);
        drop_indexes();
        open();
    }
}

TEST_F(LogLossTest, ABookingOfLettersIsWholeOrNotThereAfterEachCrash) {
    for (std::uint64_t at = 1;; ++at) {
        SCOPED_TRACE(at);
        fs = test::SimFileSystem(at);
        open();
        append(10);
        settle(1, 5, core::Outcome::dead);
        bool booked = false;
        fs.crash_at(at);
        try {
            booked = queue->book_lost({0, 3, 0}, booking()).has_value();
        } catch (const SimCrash&) {
        }
        fs.crash_at(0);
        power_failure();
        open();
        const core::Ledger books = queue->ledger();
        EXPECT_TRUE(books.lost == 3 || (books.lost == 0 && !booked)) << books.lost;
        EXPECT_EQ(books.dead, 5 - books.lost);
        EXPECT_EQ(unaccounted(), 0);
        if (booked) break;
        ASSERT_LT(at, 50U);
    }
}

TEST_F(LogLossTest, TheSegmentThatHasTheBookingMayLeaveTheLog) {
    lose_three();
    ASSERT_TRUE(queue->book_lost({3}, booking()).has_value());
    const Seq last{to_number(append(1000)) + 999};
    settle(1, to_number(last));
    append(1);
    EXPECT_EQ(segments().size(), 1U);
    open();
    EXPECT_EQ(unaccounted(), 0);
    EXPECT_EQ(queue->ledger().lost, 3U);
    EXPECT_EQ(queue->last_loss(), booking());
}

TEST_F(LogLossTest, ALaterBookingAddsToTheFirst) {
    lose_three();
    ASSERT_TRUE(queue->book_lost({1}, booking(1)).has_value());
    EXPECT_EQ(unaccounted(), 2);
    ASSERT_TRUE(queue->book_lost({2}, booking(2)).has_value());
    open();
    EXPECT_EQ(unaccounted(), 0);
    EXPECT_EQ(queue->ledger().lost, 3U);
    EXPECT_EQ(queue->last_loss(), booking(2));
}

TEST_F(LogLossTest, ABookingThatWasAnsweredOutlivesEachCrash) {
    for (std::uint64_t at = 1;; ++at) {
        SCOPED_TRACE(at);
        fs = test::SimFileSystem(at);
        log.lines.clear();
        lose_three();
        bool booked = false;
        fs.crash_at(at);
        try {
            booked = queue->book_lost({3}, booking()).has_value();
        } catch (const SimCrash&) {
        }
        fs.crash_at(0);
        power_failure();
        open();
        const std::uint64_t lost = queue->ledger().lost;
        EXPECT_TRUE(lost == 3 || (lost == 0 && !booked)) << lost;
        EXPECT_EQ(unaccounted(), 3 - static_cast<std::int64_t>(lost));
        EXPECT_EQ(queue->last_loss().has_value(), lost == 3);
        EXPECT_EQ(queued(), (std::vector<std::uint64_t>{1, 2, 3, 7, 8, 9, 10}));
        if (booked) break;
        ASSERT_LT(at, 50U);
    }
}

TEST_F(LogLossTest, WhatTheDiskDoesNotTakeIsNotBooked) {
    for (const int error : {EIO, ENOSPC}) {
        for (const SimOp op : {SimOp::write, SimOp::sync}) {
            SCOPED_TRACE(fmt::format("{} {}", error, static_cast<int>(op)));
            fs = test::SimFileSystem(7);
            lose_three();
            fs.fail_next(op, error);
            EXPECT_TRUE(queue->book_lost({3}, booking()).has_error());
            fs.stop_failing();
            EXPECT_EQ(unaccounted(), 3);
            EXPECT_EQ(queue->ledger().lost, 0U);
            // Any error other than a full disk is final.
            EXPECT_EQ(queue->book_lost({3}, booking()).has_error(), error == EIO);
        }
    }
}

TEST_F(LogLossTest, WhatIsFoundAgainIsNotLostAndHidesNoLaterLoss) {
    open();
    append(300);
    ASSERT_GT(segments().size(), 1U);
    queue.reset();
    drop_indexes();
    const auto bytes = fs.contents(segment(1));
    fs.overwrite(segment(1), 0, std::vector<std::uint8_t>(segment_header_size));
    open();
    const std::int64_t missing = unaccounted();
    ASSERT_GT(missing, 0);
    ASSERT_TRUE(queue->book_lost({static_cast<std::uint64_t>(missing)}, booking()).has_value());
    EXPECT_EQ(unaccounted(), 0);

    queue.reset();
    fs.overwrite(segment(1), 0, bytes);  // an operator puts it back
    open();
    EXPECT_EQ(queued().size(), 300U);
    EXPECT_EQ(queue->ledger().lost, 0U);
    EXPECT_EQ(unaccounted(), 0);

    queue.reset();
    drop_indexes();
    const std::vector<std::uint8_t> rubbish(event_size(), 0xFF);
    fs.overwrite(segment(1), first_record + 5 * event_size(), rubbish);
    open();
    EXPECT_EQ(queue->ledger().lost, 0U);
    EXPECT_EQ(unaccounted(), 1) << "what was found again must not hide it";
}

TEST_F(LogLossTest, OutcomesThatAreLostToDamageLeaveTheBookingAlone) {
    lose_three();
    ASSERT_EQ(segments().size(), 2U);
    ASSERT_TRUE(queue->book_lost({3}, booking()).has_value());
    settle(1, 3);  // the first record of segment 2
    append(500);
    ASSERT_GT(segments().size(), 2U);
    queue.reset();
    drop_indexes();
    fs.overwrite(segment(2), first_record, std::vector<std::uint8_t>(64, 0xFF));
    open();
    EXPECT_EQ(queued().size(), 507U) << "they are delivered once more";
    EXPECT_EQ(queue->ledger().delivered, 0U);
    EXPECT_EQ(queue->ledger().lost, 3U);
    EXPECT_EQ(unaccounted(), 0);
}

}  // namespace
}  // namespace flowrelay::storage
