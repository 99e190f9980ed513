// One golden text for each state that an event can wait in.
#include "flowrelay/core/explain.hpp"

#include <gtest/gtest.h>

#include <string>

namespace flowrelay::core {
namespace {

using namespace std::chrono_literals;

const MonoTime start{};

Situation waiting() {
    Situation situation;
    situation.reason.lane_next = Seq{7};
    situation.source = "ci";
    situation.head = "event 7";
    situation.destination = "https://api.example.com";
    return situation;
}

/// "cause(wait_ms): text" for each link, and what it comes to.
std::string shown(const Situation& situation) {
    std::string out;
    const auto chain = explain(situation, start);
    for (const auto& link : chain) {
        out += std::string(to_string(link.cause));
        if (link.wait) out += "(" + std::to_string(link.wait->count()) + ")";
        out += ": " + link.text + "\n";
    }
    const auto next = earliest(chain);
    return out + "= " + (next ? std::to_string(next->count()) : "never by itself");
}

TEST(Explain, AnEventInFlightWaitsForItsAnswerWhateverElseThereIs) {
    Situation situation = waiting();
    situation.reason.in_flight = true;
    situation.reason.destination = DestinationState::down;
    situation.reason.destination_until = start + 8s;
    EXPECT_EQ(shown(situation),
              "in_flight(0): its request is under way: connecting, sending, or waiting for the "
              "answer\n= 0");
}

TEST(Explain, NothingHoldsAnEventWhoseTurnItIs) {
    EXPECT_EQ(shown(waiting()),
              "ready(0): nothing holds it: it goes as soon as it is its turn\n= 0");
}

TEST(Explain, ItsThreadWaitsAfterAFailure) {
    Situation situation = waiting();
    situation.reason.lane_until = start + 8s;
    situation.head_attempts = 3;
    situation.head_trouble = "HTTP 503: try later";
    EXPECT_EQ(shown(situation),
              "thread_waits(8000): its thread waits after attempt 3, the next is in 8s: HTTP 503: "
              "try later\n= 8000");
}

TEST(Explain, ItsThreadIsHeldAfterARejection) {
    Situation situation = waiting();
    situation.reason.lane_held = true;
    situation.head_trouble = "HTTP 422: no";
    EXPECT_EQ(shown(situation),
              "thread_held: event 7 was refused and its thread waits for you: `queue retry` or "
              "`queue drop`: HTTP 422: no\n= never by itself");
}

TEST(Explain, AnotherOfItsThreadComesFirst) {
    Situation situation = waiting();
    situation.is_next = false;
    situation.reason.lane_until = start + 2s;
    situation.head_attempts = 1;
    EXPECT_EQ(shown(situation),
              "behind: event 7 of its thread has to be delivered first\n"
              "thread_waits(2000): its thread waits after attempt 1, the next is in 2s\n= 2000");
}

TEST(Explain, TheOneBeforeItIsInFlight) {
    Situation situation = waiting();
    situation.is_next = false;
    situation.reason.lane_next_in_flight = true;
    EXPECT_EQ(shown(situation),
              "behind_in_flight(0): event 7 of its thread comes first, and its request waits for "
              "the answer\n= 0");
}

TEST(Explain, ItLiesOnDiskUntilThoseInFrontHaveGone) {
    Situation situation = waiting();
    situation.stored = true;
    situation.is_next = false;
    EXPECT_EQ(shown(situation),
              "stored: it is further back in its queue: it lies on disk until those in front have "
              "gone\nbehind: event 7 of its thread has to be delivered first\n= 0");
    situation.head.clear();
    EXPECT_EQ(shown(situation),
              "stored: it is further back in its queue: it lies on disk until those in front have "
              "gone\n= 0");
}

TEST(Explain, ItsTokenIsThrottled) {
    Situation situation = waiting();
    situation.reason.token.state = TokenState::throttled;
    situation.reason.token.until = start + 30s;
    situation.token_trouble = "HTTP 429";
    EXPECT_EQ(shown(situation),
              "token_throttled(30000): the destination asks ci to wait, the next attempt is in "
              "30s: HTTP 429\n= 30000");
}

TEST(Explain, ItsTokenIsParked) {
    Situation situation = waiting();
    situation.reason.token.state = TokenState::parked;
    situation.reason.token.until = start - 1s;  // as soon as there is one to send
    situation.token_trouble = "HTTP 401";
    EXPECT_EQ(shown(situation),
              "token_parked(0): the destination refuses the token of ci, one event is tried now: "
              "HTTP 401\n= 0");
}

TEST(Explain, ItsSourceIsPaused) {
    Situation situation = waiting();
    situation.token_state = TokenEntry::State::paused;
    EXPECT_EQ(shown(situation),
              "token_paused: ci was paused by an operator: `source resume ci`\n"
              "= never by itself");
}

TEST(Explain, ItsSourceIsPausedSinceARestore) {
    Situation situation = waiting();
    situation.token_state = TokenEntry::State::paused;
    situation.pause = TokenEntry::Pause::other_token;
    situation.token_trouble = "paused after the restore: `source resume ci` posts them";
    EXPECT_EQ(shown(situation),
              "token_paused: ci is paused after the restore: `source resume ci` posts them\n"
              "= never by itself");
}

TEST(Explain, ItsSourceIsNotConfigured) {
    Situation situation = waiting();
    situation.configured = false;
    situation.token_trouble = "ci is not in the configuration any more: put it back there";
    EXPECT_EQ(shown(situation),
              "token_unconfigured: ci is not in the configuration any more: put it back there\n"
              "= never by itself");
}

TEST(Explain, ItsTokenIsGone) {
    Situation situation = waiting();
    situation.token_state = TokenEntry::State::gone;
    situation.erase_at = WallTime(Seconds(1'700'000'000));
    // Its events have left the scheduler, but they are not "further back".
    situation.stored = true;
    EXPECT_EQ(shown(situation),
              "token_gone: ci is gone: nothing more is sent, and what is stored for it is erased "
              "at 2023-11-14T22:13:20.000Z\n= never by itself");
    situation.token_state = TokenEntry::State::erased;
    EXPECT_EQ(shown(situation),
              "token_gone: ci is gone, and what was stored for it is erased\n= never by itself");
}

TEST(Explain, TheRateLimitOfItsSource) {
    Situation situation = waiting();
    situation.reason.token.rate_limited_until = start + 500ms;
    EXPECT_EQ(shown(situation),
              "token_rate_limit(500): the rate limit of ci lets the next event go in 500ms\n"
              "= 500");
    situation.reason.token.rate_limited_until = start;  // it does not any more
    EXPECT_EQ(shown(situation),
              "ready(0): nothing holds it: it goes as soon as it is its turn\n= 0");
}

TEST(Explain, TheDestinationAsksToWait) {
    Situation situation = waiting();
    situation.reason.destination = DestinationState::held;
    situation.reason.destination_until = start + 60s;
    EXPECT_EQ(shown(situation),
              "destination_held(60000): https://api.example.com asks everybody to wait, one event "
              "is tried in 1m\n= 60000");
}

TEST(Explain, TheDestinationIsParked) {
    Situation situation = waiting();
    situation.reason.destination = DestinationState::parked;
    situation.reason.destination_until = start + 60s;
    situation.destination_trouble = "HTTP 404";
    EXPECT_EQ(shown(situation),
              "destination_parked(60000): https://api.example.com answers as if base_url or path "
              "were wrong, one event is tried in 1m: HTTP 404\n= 60000");
}

TEST(Explain, TheDestinationIsDown) {
    Situation situation = waiting();
    situation.reason.destination = DestinationState::down;
    situation.reason.destination_until = start + 4s;
    situation.destination_trouble = "connect_failed: refused";
    EXPECT_EQ(shown(situation),
              "destination_down(4000): https://api.example.com is down, one event is tried in 4s: "
              "connect_failed: refused\n= 4000");
}

TEST(Explain, TheDestinationTakesNoMoreAtOnce) {
    Situation situation = waiting();
    situation.reason.destination_full = true;
    EXPECT_EQ(shown(situation),
              "destination_full(0): as many requests are under way as https://api.example.com can "
              "take\n= 0");
}

TEST(Explain, TheRateLimitOfTheDestination) {
    Situation situation = waiting();
    situation.reason.destination_rate_limited_until = start + 250ms;
    EXPECT_EQ(shown(situation),
              "destination_rate_limit(250): destination.rate_limit lets the next event go in 250ms"
              "\n= 250");
}

TEST(Explain, ThePaceOfATokenAndOfTheDestination) {
    Situation situation = waiting();
    situation.reason.token.paced_until = start + 500ms;
    situation.reason.destination_paced_until = start + 250ms;
    EXPECT_EQ(shown(situation),
              "token_paced(500): https://api.example.com answered that events of ci came too fast, "
              "the next one goes in 500ms\n"
              "destination_paced(250): https://api.example.com answered that events came too fast, "
              "the next one goes in 250ms\n= 500");
    situation.reason.token.paced_until = start;  // it does not any more
    situation.reason.destination_paced_until = start;
    EXPECT_EQ(shown(situation),
              "ready(0): nothing holds it: it goes as soon as it is its turn\n= 0");
}

TEST(Explain, EveryCauseIsInTheChainAndTheLongestCounts) {
    Situation situation = waiting();
    situation.is_next = false;
    situation.reason.lane_until = start + 2s;
    situation.head_attempts = 2;
    situation.reason.token.state = TokenState::throttled;
    situation.reason.token.until = start + 90s;
    situation.reason.destination = DestinationState::down;
    situation.reason.destination_until = start + 10s;
    const auto chain = explain(situation, start);
    ASSERT_EQ(chain.size(), 4U);
    EXPECT_EQ(chain[0].cause, Cause::behind);
    EXPECT_EQ(chain[1].cause, Cause::thread_waits);
    EXPECT_EQ(chain[2].cause, Cause::token_throttled);
    EXPECT_EQ(chain[3].cause, Cause::destination_down);
    EXPECT_EQ(earliest(chain), Milliseconds(90s));
}

TEST(Explain, WhatBecameOfAnEvent) {
    PastEvent past;
    past.ended = WallTime(Seconds(1'700'000'000));
    past.attempts = 3;
    past.status = 202;
    past.outcome = Outcome::delivered;
    EXPECT_EQ(explain(past),
              "was delivered at 2023-11-14T22:13:20.000Z, with attempt 3 (HTTP 202)");
    past.outcome = Outcome::dead;
    past.status = 422;
    EXPECT_EQ(explain(past),
              "was refused at 2023-11-14T22:13:20.000Z, attempt 3 (HTTP 422), and went to the dead "
              "letters");
    past.outcome = Outcome::expired;
    EXPECT_EQ(explain(past),
              "grew too old at 2023-11-14T22:13:20.000Z, after 3 attempts, and went to the dead "
              "letters");
    past.outcome = Outcome::erased;
    EXPECT_EQ(explain(past), "was erased with its token at 2023-11-14T22:13:20.000Z");
    past.outcome = Outcome::dropped;
    EXPECT_EQ(explain(past), "was dropped by an operator at 2023-11-14T22:13:20.000Z");
}

}  // namespace
}  // namespace flowrelay::core
