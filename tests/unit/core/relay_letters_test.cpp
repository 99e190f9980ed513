// A store of dead letters that is full: nothing is lost for it, and everything goes on when there
// is room.
#include <set>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

class RelayLettersTest : public RelayTest {
protected:
    explicit RelayLettersTest(std::uint64_t max_events = 2) {
        options_.dead_letters.max_events = max_events;
        options_.scheduler.max_age = std::chrono::hours(1);
        restart({});
    }

    /// Carries the burials out.
    std::size_t store(const Effects& effects) {
        usage_.letters += effects.bury.size();
        usage_.buried += effects.bury.size();
        for (const auto& letter : effects.bury) letters_.push_back(letter.seq);
        relay_->letters().stored(usage_, now_);
        return effects.bury.size();
    }

    /// Of those that were there: some are dropped, or replayed.
    void leave(std::uint64_t letters) {
        usage_.letters -= letters;
        relay_->letters().stored(usage_, now_);
    }

    /// A bad event of each of so many threads, and good ones between: nothing is wrong but with
    /// them.
    void accept_bad(int threads) {
        for (int i = 0; i < threads; ++i) {
            accept("t" + std::to_string(i));
            if (i % 3 == 2) good_.insert(accept("good" + std::to_string(i)));
        }
    }
    std::size_t refuse_bad() {
        std::size_t buried = 0;
        while (const auto next = relay_->delivery().next(now_)) {
            const auto effects = end(*next, good_.contains(next->seq) ? 202 : 422);
            buried += effects.bury.size();
            if (stores_) store(effects);
        }
        return buried;
    }

    bool stores_ = true;
    std::set<Seq> good_;
    std::vector<Seq> letters_;
    LetterUsage usage_;
};

// A crash would have it posted again, behind those of its thread that were posted since.
TEST_F(RelayLettersTest, AThreadWaitsUntilTheDeadLetterOfItsEventIsOnTheDisk) {
    disk_takes_letters_ = false;
    for (const int status : {400, 413, 422}) {
        SCOPED_TRACE(status);
        restart({});
        const std::string name = std::to_string(status);
        accept(name);
        const auto died = answer(status);
        ASSERT_EQ(died.bury.size(), 1U);
        EXPECT_EQ(relay_->letters().unwritten(), 1U);
        const Seq second = accept(name);  // its thread had no events meanwhile
        EXPECT_FALSE(relay_->delivery().next(now_));
        QueuedEvent event;
        event.seq = second;
        event.lane = {records_.at(second).token, records_.at(second).thread_hash};
        const auto chain = explain(relay_->situation(event), now_.mono);
        ASSERT_FALSE(chain.empty());
        EXPECT_EQ(chain.front().cause, Cause::dead_letter_unwritten);
        EXPECT_FALSE(relay_->destination().scheduler().release_lane(second)) << "nobody holds it";
        relay_->destination().scheduler().try_now(second, now_);
        EXPECT_FALSE(relay_->delivery().next(now_)) << "an operator can't have it overtake";
        accept(name + "-other");
        EXPECT_TRUE(answer(202).settle) << "other threads go on";

        bury(died);
        EXPECT_EQ(relay_->letters().unwritten(), 0U);
        const auto next = relay_->delivery().next(now_);
        ASSERT_TRUE(next);
        EXPECT_EQ(next->seq, second);
        bury(died);  // a second report changes nothing
        EXPECT_TRUE(end(*next, 202).settle);
    }
}

TEST_F(RelayLettersTest, ARefusedEventThatFindsNoRoomHoldsItsThreadUntilThereIs) {
    for (const int status : {400, 413, 415, 422}) {
        restart({});
        usage_ = {};
        const std::string name = std::to_string(status);
        for (int i = 0; i < 2; ++i) {
            accept(name + "-" + std::to_string(i));
            EXPECT_EQ(store(answer(status)), 1U);
        }
        const Seq third = accept(name + "-third");
        const auto effects = answer(status);
        EXPECT_TRUE(effects.bury.empty()) << "there is no room";
        EXPECT_FALSE(effects.settle);
        EXPECT_EQ(relay_->destination().queued(), 1U);
        EXPECT_EQ(relay_->letters().held_threads(), 1U);
        EXPECT_FALSE(relay_->delivery().next(now_)) << "nobody has made room";
        QueuedEvent event;
        event.seq = third;
        event.lane = {records_.at(third).token, records_.at(third).thread_hash};
        EXPECT_TRUE(relay_->situation(event).held_by_letters);
        // Another thread of the same token goes on.
        accept(name + "-other");
        EXPECT_TRUE(answer(202).settle);

        leave(1);
        EXPECT_EQ(relay_->letters().held_threads(), 0U);
        const auto again = relay_->delivery().next(now_);
        ASSERT_TRUE(again);
        EXPECT_EQ(again->seq, third);
        EXPECT_EQ(store(end(*again, status)), 1U);
        EXPECT_EQ(relay_->destination().queued(), 0U);
    }
}

TEST_F(RelayLettersTest, LettersOnTheirWayCount) {
    stores_ = false;
    accept_bad(5);
    EXPECT_EQ(refuse_bad(), 2U);
    EXPECT_EQ(relay_->letters().held_threads(), 3U);
    EXPECT_EQ(relay_->destination().queued(), 3U);
}

TEST_F(RelayLettersTest, NoMoreThreadsGoOnThanThereIsRoomFor) {
    accept_bad(6);
    refuse_bad();
    EXPECT_EQ(relay_->letters().held_threads(), 4U);
    leave(1);
    EXPECT_EQ(relay_->letters().held_threads(), 3U);
    EXPECT_EQ(relay_->delivery().next(now_)->seq, Seq{3}) << "the oldest first";
    EXPECT_FALSE(relay_->delivery().next(now_));
}

TEST_F(RelayLettersTest, LargerLimitsLetThemGo) {
    accept_bad(6);
    refuse_bad();
    options_.dead_letters.max_events = 5;
    relay_->set_options(options_);
    EXPECT_EQ(relay_->letters().held_threads(), 1U);
}

TEST_F(RelayLettersTest, NoMoreEventsExpireThanThereIsRoomForAndTheRestIsDelivered) {
    for (int i = 0; i < 10; ++i) accept("t" + std::to_string(i % 3));
    pass(std::chrono::hours(2));
    EXPECT_EQ(store(relay_->delivery().expire(now_)), 2U);
    EXPECT_EQ(relay_->delivery().expire(now_).bury.size(), 0U);
    EXPECT_EQ(relay_->destination().queued(), 8U);
    EXPECT_EQ(relay_->counters().expired, 2U);
    // It must not ask for the moment to come again and again.
    const auto wakeup = relay_->next_wakeup(now_);
    EXPECT_GT(wakeup.value_or(MonoTime::max()), now_.mono);
    // The destination takes one of them after all; another expires when there is room.
    EXPECT_TRUE(answer(202).settle);
    leave(1);
    ASSERT_TRUE(relay_->next_wakeup(now_));
    EXPECT_LE(*relay_->next_wakeup(now_), now_.mono);
    EXPECT_FALSE(relay_->delivery().next(now_)) << "what is over its age may expire again";
    EXPECT_EQ(store(relay_->delivery().expire(now_)), 1U);
    EXPECT_EQ(relay_->destination().queued(), 6U);
}

TEST_F(RelayLettersTest, AnEventOfItsOwnAgeIsKeptToo) {
    options_.dead_letters.max_events = 1;
    restart({});
    accept("a", R"(,"relay":{"expires_in":"10s"})");
    accept("b", R"(,"relay":{"expires_in":"10s"})");
    pass(Seconds(20));
    EXPECT_EQ(store(relay_->delivery().expire(now_)), 1U);
    EXPECT_EQ(store(relay_->delivery().expire(now_)), 0U);
    EXPECT_EQ(relay_->destination().queued(), 1U);
}

TEST_F(RelayLettersTest, AnEventThatCanNotBeReadWaitsForRoom) {
    for (int i = 0; i < 3; ++i) accept("t" + std::to_string(i));
    for (int i = 0; i < 2; ++i) store(answer(422));
    const auto assignment = relay_->delivery().next(now_);
    EXPECT_TRUE(relay_->delivery().unreadable(*assignment, "damaged", true, now_).bury.empty());
    EXPECT_EQ(relay_->destination().queued(), 1U);
    leave(2);
    pass(std::chrono::minutes(10));
    const auto again = relay_->delivery().next(now_);
    ASSERT_TRUE(again);
    EXPECT_EQ(relay_->delivery().unreadable(*again, "damaged", true, now_).bury.size(), 1U);
}

TEST_F(RelayLettersTest, AFullStoreIsSaidOnceAndEveryHour) {
    accept_bad(40);
    refuse_bad();
    ASSERT_EQ(log_.named("dead_letters.full").size(), 1U);
    EXPECT_EQ(log_.named("dead_letters.full").front().fields.at("limit"),
              "dead_letters.max_events");
    EXPECT_TRUE(log_.named("delivery.held").empty()) << "nobody has to decide about these";
    pass(std::chrono::minutes(61));
    store(relay_->delivery().expire(now_));
    EXPECT_EQ(log_.named("dead_letters.full").size(), 2U);
    leave(2);
    EXPECT_EQ(log_.named("dead_letters.have_room").size(), 1U);
}

TEST_F(RelayLettersTest, ASourceThatIsHeldForAnOperatorIsNotLetGoByRoom) {
    ConfiguredSource source;
    source.name = "ci";
    source.secret = Secret(std::string(token));
    source.rules.hold_rejected = true;
    relay_->configure({std::move(source)}, now_);
    accept();
    EXPECT_TRUE(answer(422).bury.empty());
    EXPECT_EQ(relay_->letters().held_threads(), 0U);
    relay_->letters().stored(usage_, now_);
    EXPECT_FALSE(relay_->delivery().next(now_));
    EXPECT_EQ(log_.named("delivery.held").size(), 1U);
}

}  // namespace
}  // namespace flowrelay::core
