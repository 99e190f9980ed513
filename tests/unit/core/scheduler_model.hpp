// What the model of the scheduler knows of its events, tokens and rates, and what its server
// answers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "flowrelay/core/scheduler.hpp"
#include "unit/core/scheduler_fixture.hpp"

namespace flowrelay::core {

struct LaneOrder {
    bool operator()(const LaneId& a, const LaneId& b) const {
        return a.token != b.token ? a.token < b.token : a.thread_hash < b.thread_hash;
    }
};

struct ModelEvent {
    QueuedEvent event;
    unsigned attempts = 0;
    bool in_flight = false;
    bool removed = false;             // its token was, while it was in flight
    unsigned outages = 0;             // there had been so many when it was given
    unsigned closed_destination = 0;  // the period of trouble in which it was given; 0: none
    unsigned closed_token = 0;
};

/// What has been given under a rate limit, since it was set.
struct ModelRate {
    double rate = 0;
    std::vector<MonoTime> given;

    void set(double new_rate) { *this = ModelRate{new_rate, {}}; }

    /// In no stretch of time that ends now more than a burst and what the rate has brought.
    void give(MonoTime now) {
        given.push_back(now);
        if (rate <= 0) return;
        const double burst = std::max(rate, 1.0);
        for (std::size_t i = 0; i < given.size(); ++i) {
            const std::chrono::duration<double> window = now - given[i];
            ASSERT_LE(static_cast<double>(given.size() - i), burst + rate * window.count() + 1e-6)
                << "too many for a rate of " << rate;
        }
    }
};

struct ModelToken {
    bool paused = false;
    TokenState state = TokenState::active;
    unsigned trouble = 0;  // counts the periods in which it is throttled or parked
};

/// How the server is doing, which decides what it answers.
enum class Mood { healthy, flaky, outage, overloaded, throttling, strict, wrong_url };

inline Judgement random_verdict(Mood mood, Random& random) {
    const Milliseconds hold(random.below(20'000));
    switch (mood) {
        case Mood::healthy:
            break;
        case Mood::flaky:
            switch (random.below(12)) {
                case 0:
                    return answers::unavailable();
                case 1:
                    return answers::no_connection();
                case 2:
                    return answers::rejected();
                case 3:
                    return answers::try_again();
                case 4:
                    return answers::throttled(hold);
                case 5:
                    return answers::unavailable(hold);
                case 6:
                    return answers::not_found();
                case 7:
                    return answers::unauthorized();
                case 8:
                    return random.chance(0.2) ? answers::gone() : answers::ok();
                default:
                    return answers::ok();
            }
        case Mood::outage:
            return answers::no_connection();
        case Mood::overloaded:
            return random.chance(0.5) ? answers::unavailable(hold) : answers::unavailable();
        case Mood::throttling:
            return random.chance(0.5) ? answers::throttled(hold) : answers::throttled();
        case Mood::strict:
            return random.chance(0.8) ? answers::unauthorized() : answers::ok();
        case Mood::wrong_url:
            return answers::not_found();
    }
    return answers::ok();
}

}  // namespace flowrelay::core
