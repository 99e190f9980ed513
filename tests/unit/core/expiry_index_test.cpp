#include "core/expiry_index.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace flowrelay::core::scheduling {
namespace {

using namespace std::chrono_literals;

constexpr WallTime start{Milliseconds(1'700'000'000'000)};

class ExpiryIndexTest : public testing::Test {
protected:
    Event& add(std::uint64_t seq, WallTime accepted, WallTime expires = WallTime::max()) {
        Event& event = table.add({Seq(seq), LaneId{TokenId(1), seq}, accepted, expires, 1});
        index.insert(event);
        return event;
    }

    LaneTable table;
    ExpiryIndex index;
};

TEST_F(ExpiryIndexTest, NothingIsDueWhenEmpty) {
    EXPECT_EQ(index.due(start, 1s), nullptr);
    EXPECT_FALSE(index.next_due(1s));
}

TEST_F(ExpiryIndexTest, DueAtMaxAge) {
    Event& event = add(1, start);
    EXPECT_EQ(index.next_due(10s), start + 10s);
    EXPECT_EQ(index.due(start + 10s - 1ms, 10s), nullptr);
    EXPECT_EQ(index.due(start + 10s, 10s), &event);
}

TEST_F(ExpiryIndexTest, DueAtItsOwnTimeIfThatIsEarlier) {
    Event& event = add(1, start, start + 3s);
    EXPECT_EQ(index.next_due(10s), start + 3s);
    EXPECT_EQ(index.next_due(2s), start + 2s);
    EXPECT_EQ(index.due(start + 3s, 10s), &event);
}

TEST_F(ExpiryIndexTest, TheOldestIsFoundThoughTheClockWasSetBack) {
    add(1, start + 5s);
    Event& oldest = add(2, start);
    EXPECT_EQ(index.next_due(10s), start + 10s);
    EXPECT_EQ(index.due(start + 10s, 10s), &oldest);
}

TEST_F(ExpiryIndexTest, ErasedIsNotDue) {
    Event& a = add(1, start, start + 1s);
    Event& b = add(2, start);
    index.erase(a);
    index.erase(a);
    EXPECT_EQ(index.due(start + 10s, 10s), &b);
    index.erase(b);
    EXPECT_EQ(index.due(start + 10s, 10s), nullptr);
    index.insert(a);
    EXPECT_EQ(index.next_due(10s), start + 1s);
}

TEST_F(ExpiryIndexTest, WithoutALimitNothingIsDue) {
    add(1, start);
    EXPECT_FALSE(index.next_due(Milliseconds::max()));
    EXPECT_EQ(index.due(start + 24h * 365, Milliseconds::max()), nullptr);
}

TEST_F(ExpiryIndexTest, MembersWithTheSameTimesAreAllFound) {
    for (std::uint64_t seq = 1; seq <= 100; ++seq) add(seq, start, start + 1s);
    std::size_t found = 0;
    while (Event* event = index.due(start + 1s, 10s)) {
        index.erase(*event);
        ++found;
    }
    EXPECT_EQ(found, 100U);
}

}  // namespace
}  // namespace flowrelay::core::scheduling
