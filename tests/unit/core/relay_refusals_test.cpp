// "No" to everything is a fault of the set-up: nothing of the queue is lost for it.
#include <set>

#include "relay_fixture.hpp"

namespace flowrelay::core {
namespace {

class RelayRefusalsTest : public RelayTest {
protected:
    /// Posts all that may be posted now, in the way of the engine; answered in turn.
    void answer_all(const std::vector<int>& statuses) {
        while (const auto assignment = relay_->delivery().next(now_)) {
            const auto effects = end(*assignment, statuses[answers_++ % statuses.size()]);
            for (const auto& letter : effects.bury) letters_.insert(letter.seq);
            std::vector<QueuedEvent> back;
            for (const Seq seq : effects.replay) {
                EXPECT_EQ(letters_.erase(seq), 1U);
                const EventRecord& record = records_.at(seq);
                back.push_back(
                    {seq, {record.token, record.thread_hash}, now_.wall, WallTime::max(), 100});
            }
            relay_->destination().replayed(back);
            if (effects.settle) delivered_.push_back(assignment->seq);
        }
    }

    void answer_all(int status) { answer_all(std::vector{status}); }

    /// Hands an event of a source in, which has to be configured.
    Seq accept_of(const std::string& source, const std::string& thread) {
        auto parsed =
            Submission::parse(R"({"source":")" + source +
                              R"(","event":"activity","title":"x","author":{"name":"a"},)" +
                              R"("external_thread_id":")" + thread + "\"}");
        auto decision = relay_->admission().submit(std::move(*parsed), now_);
        auto& append = std::get<Admission::Append>(decision);
        const Seq seq{++last_seq_};
        relay_->admission().committed(append.record, seq);
        records_[seq] = std::move(append.record);
        return seq;
    }
    static std::string name_of(int source) { return "source" + std::to_string(source); }
    void begin(int sources) {
        options_.active_set.lane_capacity = 1000;  // nothing waits on the disk
        restart({});
        letters_.clear();
        delivered_.clear();
        records_.clear();
        answers_ = 0;
        std::vector<ConfiguredSource> configured;
        for (int n = 0; n < sources; ++n) {
            ConfiguredSource source;
            source.name = name_of(n);
            source.secret = Secret(std::string(token) + "-" + source.name);
            configured.push_back(std::move(source));
        }
        relay_->configure(std::move(configured), now_);
    }
    DestinationState destination() const {
        return relay_->destination().scheduler().status().destination;
    }
    /// The set-up has been corrected.
    void deliver_all() {
        for (int hours = 0; hours < 3; ++hours) {
            pass(std::chrono::hours(1));
            answer_all(202);
        }
    }

    std::set<Seq> letters_;
    std::vector<Seq> delivered_;
    std::size_t answers_ = 0;
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
        EXPECT_EQ(relay_->destination().queued(), 60U);
        const TokenId id = records_.at(first).token;
        EXPECT_EQ(relay_->destination().scheduler().token_status(id).state, TokenState::parked);
        EXPECT_EQ(relay_->lifecycle().token_reason(id).find("HTTP " + std::to_string(status)), 0U);
        EXPECT_NE(relay_->lifecycle().token_reason(id).find("every event is refused"),
                  std::string::npos);
        pass(std::chrono::minutes(6));
        answer_all(status);  // a probe
        EXPECT_EQ(relay_->destination().queued(), 60U);
        pass(std::chrono::minutes(6));
        answer_all(202);
        EXPECT_EQ(relay_->destination().scheduler().token_status(id).state, TokenState::active);
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

TEST_F(RelayRefusalsTest, OfAFewThreadsNothingIsLostEither) {
    const std::vector<std::vector<int>> answers{
        {400}, {400, 413}, {400, 400, 400, 400, 422}, {415, 431, 499}, {409}};
    for (const bool is_known_good : {false, true}) {
        for (const auto& statuses : answers) {
            for (const int threads : {1, 2, 3, 4, 7, 60}) {
                SCOPED_TRACE(::testing::PrintToString(statuses) + std::to_string(threads));
                begin(1);
                if (is_known_good) {
                    accept_of(name_of(0), "before");
                    answer_all(202);
                }
                for (int n = 0; n < 300; ++n) {
                    accept_of(name_of(0), "t" + std::to_string(n % threads));
                }
                answer_all(statuses);
                EXPECT_TRUE(letters_.empty());
                const auto status = relay_->destination().scheduler().token_status(TokenId{1});
                EXPECT_EQ(status.state, TokenState::parked);
                EXPECT_FALSE(relay_->lifecycle().token_reason(TokenId{1}).empty());
                deliver_all();
                EXPECT_EQ(delivered_.size(), is_known_good ? 301U : 300U);
            }
        }
    }
}

TEST_F(RelayRefusalsTest, OfManyTokensItIsTheDestinationAndTheLettersOfAllGoBack) {
    for (const int tokens : {2, 3, 5, 50}) {
        for (const int threads : {1, 3, 4}) {
            for (const int events : {1, 60}) {
                if (tokens * threads < 5 && events == 1) continue;
                SCOPED_TRACE(std::to_string(tokens) + " tokens, " + std::to_string(threads) +
                             " threads, " + std::to_string(events) + " events");
                begin(tokens);
                for (int n = 0; n < tokens * threads * events; ++n) {
                    accept_of(name_of(n % tokens), "t" + std::to_string(n / tokens % threads));
                }
                answer_all(400);
                EXPECT_TRUE(letters_.empty()) << letters_.size();
                EXPECT_EQ(destination(), DestinationState::parked);
                EXPECT_NE(relay_->reporting().destination_reason().find("HTTP 400"),
                          std::string::npos);
                pass(std::chrono::minutes(2));
                answer_all(413);
                EXPECT_TRUE(letters_.empty()) << letters_.size();
                EXPECT_EQ(destination(), DestinationState::parked);
                deliver_all();
                EXPECT_EQ(destination(), DestinationState::up);
                EXPECT_EQ(delivered_.size(), static_cast<std::size_t>(tokens * threads * events));
            }
        }
    }
}

TEST_F(RelayRefusalsTest, AFewBadEventsOfATokenWithNothingElseAreLetters) {
    for (int events = 1; events <= 4; ++events) {
        for (const int threads : {1, 4}) {
            begin(1);
            for (int n = 0; n < events; ++n) {
                accept_of(name_of(0), "t" + std::to_string(n % threads));
            }
            answer_all(400);
            EXPECT_EQ(letters_.size(), std::size_t(events));
            EXPECT_EQ(relay_->destination().scheduler().token_status(TokenId{1}).state,
                      TokenState::active);
            EXPECT_EQ(relay_->destination().queued(), 0U);
        }
    }
}

TEST_F(RelayRefusalsTest, AThreadOfBadEventsDelaysNoOther) {
    begin(1);
    accept_of(name_of(0), "good");
    answer_all(202);
    for (int n = 0; n < 19; ++n) accept_of(name_of(0), "bad");
    answer_all(422);
    EXPECT_EQ(letters_.size(), 19U);
    accept_of(name_of(0), "good");
    answer_all(202);
    EXPECT_EQ(delivered_.size(), 2U);
}

TEST_F(RelayRefusalsTest, ASickTokenAmongHealthyOnesIsParkedAlone) {
    begin(3);
    const TokenId sick = records_.at(accept_of(name_of(0), "first")).token;
    std::uint64_t dead = 0;
    for (int n = 0; n < 40; ++n) {
        for (int source = 0; source < 3; ++source) accept_of(name_of(source), std::to_string(n));
        if (n % 10 == 5) accept_of(name_of(1), "bad");
        while (const auto next = relay_->delivery().next(now_)) {
            const bool is_bad = records_.at(next->seq).thread.find("bad") != std::string::npos;
            const auto effects = end(*next, next->lane.token == sick || is_bad ? 400 : 202);
            if (is_bad) dead += effects.bury.size();
            EXPECT_TRUE(is_bad || effects.bury.empty() || n < 3) << n;
        }
        EXPECT_EQ(destination(), DestinationState::up);
        pass(Seconds(70));
    }
    EXPECT_EQ(dead, 4U) << "truly bad ones of a healthy token";
    EXPECT_EQ(relay_->destination().scheduler().token_status(sick).state, TokenState::parked);
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
        EXPECT_EQ(relay_->destination().queued(), 1U);
        EXPECT_FALSE(relay_->delivery().next(now_)) << status;
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
        EXPECT_EQ(relay_->destination().queued(), 1U);
        pass(Milliseconds(6999));
        EXPECT_FALSE(relay_->delivery().next(now_)) << before;
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
        relay_->destination().replayed(std::vector{letter});
        EXPECT_TRUE(answer(409).bury.empty()) << before;
        EXPECT_EQ(relay_->destination().queued(), 1U);
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
        EXPECT_FALSE(relay_->delivery().next(now_)) << asked.count();
        pass(Milliseconds(1));
        EXPECT_TRUE(answer(202).settle) << asked.count();
        EXPECT_EQ(answer(413).bury.size(), 1U) << "without a time";
    }
}

}  // namespace
}  // namespace flowrelay::core
