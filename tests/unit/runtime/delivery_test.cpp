#include "flowrelay/runtime/delivery.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "delivery_fixture.hpp"

namespace flowrelay::runtime {
namespace {

using DeliveryTest = DeliveryFixture;

// An event that becomes due between the last look for work and the arming of the wake-up must not
// be missed.
TEST_F(DeliveryTest, AnEventIsTriedAgainOnASlowMachineAsWell) {
    core::RelayOptions options;
    const core::BackoffOptions soon{Milliseconds(2), Milliseconds(2)};
    options.scheduler.lane_backoff = options.scheduler.token_backoff = soon;
    options.scheduler.destination_backoff = soon;
    constexpr std::size_t failures = 200;
    answers_ = [this](const Request&) {
        return answer_of(requests_.size() > failures ? 202 : 500);
    };
    clock_.look = std::chrono::microseconds(500);
    start(options);
    submit("one");
    run_until_delivered(1);
    EXPECT_EQ(requests_.size(), failures + 1);
}

TEST_F(DeliveryTest, ThreeAnswersToTheFormerTokenLeaveTheNewOneAlone) {
    for (const int status : {410, 401, 400}) {
        requests_.clear();
        const auto delivered = relay_ ? relay_->counters().delivered : 0;
        if (!relay_) start();
        holding_ = true;
        answers_ = [status](const Request& request) {
            return answer_of(request.has("former") || request.has("first-t0ken") ? status : 202);
        };
        configure("former-t0ken");
        for (const char* thread : {"a", "b", "c"}) submit(thread);
        run_until([this] { return requests_.size() == 3; });
        configure(fmt::format("new-{}", status));
        holding_ = false;
        run_until_delivered(delivered + 3);
        EXPECT_FALSE(slot().gone()) << status;
        ASSERT_EQ(requests_.size(), 6U) << status;
        for (std::size_t i = 3; i < 6; ++i) EXPECT_TRUE(requests_[i].has("new-"));
    }
    EXPECT_EQ(relay_->counters().dead, 0U);
    EXPECT_EQ(log_.named("delivery.outdated").size(), 9U);
}

TEST_F(DeliveryTest, LateAnswersOfTheFormerDestinationAreItsOwn) {
    const std::string wait = "HTTP/1.1 503 x\r\nRetry-After: 600\r\nContent-Length: 0\r\n\r\n";
    start();
    for (const std::string& answer : {answer_of(404), wait, answer_of(401), answer_of(410)}) {
        const auto delivered = relay_->counters().delivered;
        requests_.clear();
        holding_ = true;
        // The first of the two may be sent again before the second is answered.
        answers_ = [&](const Request& request) {
            return request.number < 2 ? answer : answer_of(202);
        };
        submit("a");
        submit("b");
        run_until([this] { return requests_.size() == 2; });
        options_.destination += "/x";
        relay_->set_options(options_);
        delivery_->retarget(destination(), nullptr);
        engine_->wake();
        holding_ = false;
        run_until_delivered(delivered + 2);
        EXPECT_EQ(requests_.size(), 4U) << answer;
    }
    EXPECT_FALSE(slot().gone());
}

TEST_F(DeliveryTest, NothingIsSentWithoutATokenThatLeftWhileTheEventWasRead) {
    EngineOptions engine;
    engine.cache_size = 0;
    start({}, engine);
    submit("one");
    run_until([this] { return relay_->destination().scheduler().status().in_flight == 1; });
    configure("");
    run_until([this] { return relay_->destination().scheduler().status().in_flight == 0; });
    EXPECT_TRUE(requests_.empty());
    EXPECT_EQ(relay_->destination().queued(), 1U);
    configure("first-t0ken");
    run_until_delivered(1);
    EXPECT_TRUE(requests_.at(0).has("first-t0ken"));
}

/// A kept connection ends without an answer, after something has changed.
class LostAnswer : public DeliveryTest, public testing::WithParamInterface<std::string_view> {
protected:
    void change(std::string_view what) {
        if (what == "removed") {
            ASSERT_TRUE(relay_->lifecycle().remove_source(TokenId{1}, clock_.now()).has_value());
        } else if (what == "paused") {
            ASSERT_TRUE(relay_->lifecycle().pause_source(TokenId{1}, clock_.now()).has_value());
        } else if (what == "rotated") {
            configure("second-t0ken");
        } else if (what == "unconfigured") {
            configure("");
        } else {
            correct_base_url();
        }
    }
};

TEST_P(LostAnswer, IsNotAskedForAgainWithWhatHoldsNoLonger) {
    start();
    submit("one");
    run_until_delivered(1);
    holding_ = true;
    answers_ = [](const Request& request) {
        const bool old = request.has("first-t0ken") && request.has("first.example");
        return old ? std::string() : answer_of(202);
    };
    submit("one");
    run_until([this] { return requests_.size() == 2; });
    ASSERT_EQ(requests_[1].connection, 0U) << "on the kept connection";
    change(GetParam());
    holding_ = false;
    const bool goes_on = GetParam() == "rotated" || GetParam() == "redirected";
    if (goes_on) {
        run_until_delivered(2);
        EXPECT_EQ(requests_.back().has("second-t0ken"), GetParam() == "rotated");
        EXPECT_EQ(requests_.back().has("second.example"), GetParam() == "redirected");
    } else {
        run_until([this] { return relay_->destination().scheduler().status().in_flight == 0; });
    }
    EXPECT_EQ(requests_.size(), goes_on ? 3U : 2U);
    EXPECT_EQ(relay_->counters().ambiguous, 1U) << "it may have been taken";
}

INSTANTIATE_TEST_SUITE_P(AfterAChange, LostAnswer,
                         testing::Values("removed", "paused", "rotated", "unconfigured",
                                         "redirected"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(DeliveryTest, BodiesOfATokenThatIsGoneLeaveTheMemory) {
    start();
    holding_ = true;
    answers_ = [](const Request&) { return answer_of(410); };
    for (int i = 0; i < 50; ++i) submit("thread-" + std::to_string(i));
    EXPECT_GT(engine_->cached_bytes(), 0U) << "some wait for a connection";
    holding_ = false;
    run_until([this] { return relay_->destination().scheduler().status().in_flight == 0; });
    EXPECT_TRUE(slot().gone());
    EXPECT_EQ(engine_->cached_bytes(), 0U);
}

TEST_F(DeliveryTest, BodiesOfARemovedSourceLeaveTheMemory) {
    start();
    holding_ = true;
    answers_ = [](const Request&) { return answer_of(500); };
    for (int i = 0; i < 50; ++i) submit("thread-" + std::to_string(i));
    ASSERT_TRUE(relay_->lifecycle().remove_source(TokenId{1}, clock_.now()).has_value());
    engine_->wake();
    EXPECT_EQ(engine_->cached_bytes(), 0U);
    holding_ = false;
    run_until([this] { return relay_->destination().scheduler().status().in_flight == 0; });
    EXPECT_EQ(engine_->cached_bytes(), 0U) << "what was answered later comes back to nobody";
}

TEST_F(DeliveryTest, A410OnAKeptConnectionIsAskedForAgain) {
    start();
    submit("one");
    run_until_delivered(1);
    answers_ = [](const Request& request) {
        return answer_of(request.connection == 0 ? 410 : 202);
    };
    submit("two");
    run_until_delivered(2);
    EXPECT_FALSE(slot().gone()) << "it was an answer too many";
    answers_ = [](const Request&) { return answer_of(410); };
    submit("three");
    run_until([this] { return slot().gone(); });
    EXPECT_EQ(requests_.size(), 5U);
    EXPECT_NE(requests_[4].connection, requests_[3].connection);
}

}  // namespace
}  // namespace flowrelay::runtime
