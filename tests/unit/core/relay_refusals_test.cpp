// "No" to everything is a fault of the set-up: nothing of the queue is lost for it.
#include <set>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

class RelayRefusalsTest : public RelayTest {
protected:
    /// Posts all that may be posted now, in the way of the engine.
    void answer_all(int status) {
        while (const auto assignment = relay_->next(now_)) {
            const auto effects = end(*assignment, status);
            for (const auto& letter : effects.bury) letters_.insert(letter.seq);
            std::vector<QueuedEvent> back;
            for (const Seq seq : effects.replay) {
                EXPECT_EQ(letters_.erase(seq), 1U);
                const EventRecord& record = records_.at(seq);
                back.push_back(
                    {seq, {record.token, record.thread_hash}, now_.wall, WallTime::max(), 100});
            }
            relay_->replayed(back);
            if (effects.settle) delivered_.push_back(assignment->seq);
        }
    }

    std::set<Seq> letters_;
    std::vector<Seq> delivered_;
};

TEST_F(RelayRefusalsTest, TheTokenIsParkedAndTheLettersGoBackToTheirPlaces) {
    for (const int status : {400, 413, 415, 422, 409, 419, 431, 499}) {
        restart({});
        letters_.clear();
        delivered_.clear();
        records_.clear();
        const Seq first{last_seq_ + 1};
        for (int n = 0; n < 60; ++n) accept("t" + std::to_string(n % 20));
        answer_all(status);
        EXPECT_TRUE(letters_.empty()) << status;
        EXPECT_EQ(relay_->queued(), 60U);
        const TokenId id = records_.at(first).token;
        EXPECT_EQ(relay_->scheduler().token_status(id).state, TokenState::parked);
        EXPECT_EQ(relay_->token_reason(id).find("HTTP " + std::to_string(status)), 0U);
        EXPECT_NE(relay_->token_reason(id).find("every event is refused"), std::string::npos);
        pass(std::chrono::minutes(6));
        answer_all(status);  // a probe
        EXPECT_EQ(relay_->queued(), 60U);
        pass(std::chrono::minutes(6));
        answer_all(202);
        EXPECT_EQ(relay_->scheduler().token_status(id).state, TokenState::active);
        ASSERT_EQ(delivered_.size(), 60U);
        // In the order of each thread.
        std::map<std::uint64_t, Seq> last;
        for (const Seq seq : delivered_) {
            Seq& before = last[records_.at(seq).thread_hash];
            EXPECT_LT(before, seq);
            before = seq;
        }
    }
}

TEST_F(RelayRefusalsTest, ABadProducerBesideAGoodOneIsStillOne) {
    for (int n = 0; n < 30; ++n) {
        accept("good" + std::to_string(n));
        answer_all(202);
        accept("bad" + std::to_string(n));
        answer_all(422);
    }
    EXPECT_EQ(letters_.size(), 30U);
}

TEST_F(RelayRefusalsTest, WhatIsHeldForAnOperatorGoesOnTooOnceItIsTheSetUp) {
    ConfiguredSource source;
    source.name = "ci";
    source.secret = Secret(std::string(token));
    source.rules.hold_rejected = true;
    relay_->configure({std::move(source)}, now_);
    for (int n = 0; n < 10; ++n) accept("t" + std::to_string(n));
    answer_all(400);
    pass(std::chrono::minutes(6));
    answer_all(202);
    EXPECT_EQ(delivered_.size(), 10U);
}

TEST_F(RelayRefusalsTest, AStatusThatIsNeverAboutOneEventParksAtOnce) {
    for (const int status : {402, 406, 407, 411, 412, 414, 416, 417, 418, 421, 426, 428, 451, 501,
                             505, 508, 510, 511}) {
        restart({});
        const std::uint64_t before = relay_->counters().dead;
        accept();
        EXPECT_TRUE(answer(status).bury.empty());
        EXPECT_EQ(relay_->counters().dead, before);
        EXPECT_EQ(relay_->queued(), 1U);
        EXPECT_FALSE(relay_->next(now_)) << status;
    }
}

TEST_F(RelayRefusalsTest, AConflictIsStillBeingWorkedOnAfterAnyAnswerToTheEvent) {
    for (const int before : {401, 402, 404, 408, 425, 429, 500, 503, 302}) {
        restart({});
        accept();
        EXPECT_TRUE(answer(before).bury.empty());
        pass(std::chrono::minutes(10));
        const auto effects = answer(409, Seconds(7));
        EXPECT_TRUE(effects.bury.empty()) << before;
        EXPECT_EQ(relay_->queued(), 1U);
        pass(Milliseconds(6999));
        EXPECT_FALSE(relay_->next(now_)) << before;
        pass(std::chrono::minutes(10));
        EXPECT_TRUE(answer(202).settle);
    }
}

TEST_F(RelayRefusalsTest, AConflictOfADeadLetterThatIsReplayedIsStillBeingWorkedOn) {
    for (const int before : {400, 409, 413, 422}) {
        restart({});
        const Seq seq = accept();
        EXPECT_EQ(answer(before).bury.size(), 1U);
        const EventRecord& record = records_.at(seq);
        const QueuedEvent letter{
            seq, {record.token, record.thread_hash}, now_.wall, WallTime::max(), 100};
        relay_->replayed(std::vector{letter});
        EXPECT_TRUE(answer(409).bury.empty()) << before;
        EXPECT_EQ(relay_->queued(), 1U);
        pass(Seconds(1));
        EXPECT_TRUE(answer(202).settle);
    }
}

TEST_F(RelayRefusalsTest, WhatIsTooLargeForNowWaitsAloneAsLongAsTheServerSays) {
    for (const Seconds asked : {Seconds(5), Seconds(90), Seconds(3600), Seconds(100'000)}) {
        restart({});
        const Milliseconds wait = std::min<Milliseconds>(asked, options_.retry_after_cap);
        for (const auto* thread : {"one", "two", "three", "four", "five", "six"}) {
            accept(thread);
            EXPECT_TRUE(answer(413, asked).bury.empty());
        }
        accept("other");
        EXPECT_TRUE(answer(202).settle) << "neither the token nor the destination waits";
        pass(wait - Milliseconds(1));
        EXPECT_FALSE(relay_->next(now_)) << asked.count();
        pass(Milliseconds(1));
        EXPECT_TRUE(answer(202).settle) << asked.count();
        EXPECT_EQ(answer(413).bury.size(), 1U) << "without a time";
    }
}

}  // namespace
}  // namespace flowrelay::core
