#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "world.hpp"

namespace flowrelay::test {
namespace {

constexpr std::uint64_t usual_seeds = 5'000;

struct Totals {
    std::uint64_t lives = 0;
    std::uint64_t failed = 0;
    std::uint64_t accepted = 0;
    std::uint64_t several = 0;
    std::uint64_t completed = 0;
    std::uint64_t requests = 0;
    std::uint64_t repeats = 0;
    std::uint64_t crashes = 0;
    std::uint64_t dropped = 0;
    std::uint64_t enables = 0;
    std::uint64_t holds = 0;
    std::uint64_t no_rooms = 0;
    std::uint64_t rows = 0;
    std::uint64_t reports = 0;
    std::uint64_t checks = 0;
    std::uint64_t found_gone = 0;
    std::uint64_t outdated = 0;
    std::uint64_t renames = 0;
    std::uint64_t rotations = 0;
    std::uint64_t additions = 0;
    std::uint64_t removals = 0;
    std::uint64_t filtered = 0;
    std::uint64_t forgotten = 0;
    std::uint64_t asked = 0;
    std::uint64_t remembered = 0;
    Milliseconds time{0};
};

// Detects an endless loop, in which virtual time stands still, with a timer of the process. The
// timer counts CPU time, of which one simulation takes a few milliseconds.
class Watchdog {
public:
    explicit Watchdog(std::uint64_t seed) {
        message =
            fmt::format("the relay does something for ever\nreplay: FLOWRELAY_SEED={}\n", seed);
        struct sigaction action{};
        action.sa_handler = [](int) {
            if (::write(STDOUT_FILENO, message.data(), message.size()) < 0) ::_exit(2);
            ::_exit(1);
        };
        ::sigaction(SIGPROF, &action, nullptr);
        std::fflush(stdout);  // otherwise earlier output would be lost
        set(longest_life);
    }
    ~Watchdog() { set(0); }
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

private:
    static constexpr time_t longest_life = 10;  // seconds
    static void set(time_t seconds) {
        const itimerval timer{{0, 0}, {seconds, 0}};
        ::setitimer(ITIMER_PROF, &timer, nullptr);
    }
    static inline std::string message;  // a signal handler must not allocate it
};

void live(std::uint64_t seed, bool trace, Totals& totals) {
    const Watchdog watchdog(seed);
    World world(seed, trace);
    const WallTime began = world.now().wall;
    world.live();
    ++totals.lives;
    totals.accepted += world.model().accepted_events();
    totals.several += world.model().several();
    totals.completed += world.model().completed();
    totals.requests += world.model().requests();
    totals.repeats += world.model().repeats();
    totals.crashes += world.crashes();
    totals.dropped += world.model().dropped();
    totals.enables += world.model().enables();
    totals.rows += world.model().refused_rows();
    totals.no_rooms += world.model().no_rooms();
    totals.holds += world.model().holds();
    totals.reports += world.model().reports();
    totals.checks += world.model().checks();
    totals.found_gone += world.model().found_gone();
    totals.outdated += world.model().outdated();
    totals.renames += world.model().renames();
    totals.rotations += world.model().rotations();
    totals.additions += world.model().additions();
    totals.removals += world.model().removals();
    totals.filtered += world.model().filtered_events();
    totals.forgotten += world.model().forgotten_slots();
    totals.asked += world.model().waits().asked();
    totals.remembered += world.model().waits().remembered();
    totals.time += world.now().wall - began;
    if (world.model().violations().empty()) return;
    ++totals.failed;
    for (const auto& violation : world.model().violations()) {
        ADD_FAILURE() << violation << "\nreplay: FLOWRELAY_SEED=" << seed;
    }
}

TEST(Simulation, KeepsItsPromisesWhateverHappens) {
    Totals totals;
    if (const char* seed = std::getenv("FLOWRELAY_SEED")) {
        live(std::stoull(seed), std::getenv("FLOWRELAY_TRACE") != nullptr, totals);
        return;
    }
    std::uint64_t seeds = usual_seeds;
    if (const char* given = std::getenv("FLOWRELAY_SEEDS")) seeds = std::stoull(given);
    std::uint64_t first = 1;
    if (const char* given = std::getenv("FLOWRELAY_FIRST_SEED")) first = std::stoull(given);
    // Continue after a failure, to see how often it occurs.
    const bool go_on = std::getenv("FLOWRELAY_ALL_SEEDS") != nullptr;
    const auto began = std::chrono::steady_clock::now();
    for (std::uint64_t n = 0; n < seeds && (go_on || totals.failed == 0); ++n) {
        live(first + n, false, totals);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::cout << totals.lives << " lives, " << totals.failed
              << " of them wrong: " << totals.accepted << " copies accepted, " << totals.several
              << " events of several, " << totals.completed << " of them repeats that added one; "
              << totals.requests << " requests, " << totals.repeats << " of them repeats, "
              << totals.crashes << " crashes; " << totals.holds << " events held, "
              << totals.no_rooms << " found no room among the dead letters, " << totals.rows
              << " refused like all others, " << totals.dropped << " dropped, " << totals.enables
              << " tokens enabled, " << totals.reports << " reports, " << totals.checks
              << " sources asked for, " << totals.found_gone << " of them gone, " << totals.outdated
              << " answers to former tokens or destinations; " << totals.renames
              << " sources renamed, " << totals.rotations << " rotated, " << totals.additions
              << " added, " << totals.removals << " removed; " << totals.filtered
              << " events filtered; " << totals.forgotten << " slots forgotten; " << totals.asked
              << " times named, " << totals.remembered << " of them remembered; "
              << format_duration(totals.time) << " of relay life in " << took.count() << " s\n";
}

}  // namespace
}  // namespace flowrelay::test
