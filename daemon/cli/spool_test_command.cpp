// flowrelay spool test
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "cli/disk_probe.hpp"
#include "cli/kill_test.hpp"
#include "cli/power_cut.hpp"
#include "cli/spool_commands.hpp"
#include "cli/test_directory.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto promise_broken = static_cast<ExitCode>(2);
constexpr auto may_lose_events = static_cast<ExitCode>(3);

// A real sync takes longer than this, even on disks with power-loss protection.
constexpr Microseconds fastest_sync{20};

constexpr std::uint64_t mebibyte = 1U << 20;
// Two files of this size are created in full, and all three are written once.
constexpr std::uint64_t probe_bytes = 4 * max_probe_commits * probe_commit_size;
constexpr std::uint64_t max_at_once = 64 * mebibyte;
constexpr std::uint64_t max_written = probe_bytes + 2 * max_kills * max_bytes_between_kills;

struct TestOptions {
    std::string directory;
    unsigned seconds = 0;  // 0: the test's default
    std::string power_cut;
    std::uint64_t acknowledged = 0;
};

Error not_tested(std::string message) {
    return {boost::system::errc::make_error_code(boost::system::errc::interrupted),
            std::move(message)};
}

/// Prints findings, and remembers the worst one.
class DiskTest {
public:
    DiskTest(std::string parent, unsigned seconds)
        : parent_(std::move(parent)), seconds_(seconds), random_(Random::from_system()) {}

    ExitCode run() {
        const auto done = all();
        if (done.has_error()) {
            fmt::print(stderr, "flowrelay: {}\n", done.error().message);
            return ExitCode::can_not_tell;
        }
        if (broken_ > 0) {
            fmt::print("Result: NOT fit for a spool: {} promise{} broken\n", broken_,
                       broken_ == 1 ? " is" : "s are");
            return promise_broken;
        }
        if (doubts_ > 0) {
            fmt::print("Result: works, but a power cut may lose acknowledged events\n");
        } else if (warnings_ > 0) {
            fmt::print("Result: works, with {} warning{}\n", warnings_, warnings_ == 1 ? "" : "s");
        } else {
            fmt::print("Result: works\n");
        }
        fmt::print(
            "Only a power cut shows what a disk keeps through one: see `--power-cut write`.\n");
        return doubts_ > 0 ? may_lose_events : ExitCode::ok;
    }

private:
    Result<void> all() {
        if (auto done = show_file_system(); done.has_error()) return done;
        auto directory = TestDirectory::make(parent_);
        if (directory.has_error()) return directory.error();
        const auto start = Clock::now();
        const auto all_time = Seconds(seconds_);
        if (auto done = show_calls(directory->path()); done.has_error()) return done;
        if (auto done = show_commits(directory->path(), start + all_time / 3); done.has_error()) {
            return done;
        }
        return show_kills(directory->path(), start + all_time);
    }

    Result<void> show_file_system() {
        const auto facts = look_at_file_system(parent_);
        if (facts.has_error()) return facts.error();
        fmt::print(
            "Testing {}: about {} s, at most {} MiB written, {} MiB at a time, in a "
            "directory that is removed afterwards.\n",
            parent_, seconds_, max_written / mebibyte, max_at_once / mebibyte);
        std::fflush(stdout);
        say("file system", facts->mount.empty() ? facts->kind.name : facts->mount);
        if (facts->kind.is_lost) {
            fail(facts->kind.warning);
        } else if (!facts->kind.warning.empty()) {
            warn(facts->kind.warning);
            if (facts->kind.may_lose) ++doubts_;
        }
        if (!facts->disk_cache.empty()) {
            say("disk's cache", facts->disk_cache == "write back"
                                    ? "write back: the kernel flushes it at each sync"
                                    : "write through: the kernel flushes nothing; that is right "
                                      "only if the disk has no cache, or one that keeps its "
                                      "contents without power");
        }
        if (facts->free_bytes < 2 * max_at_once) {
            return not_tested(fmt::format("{} has {} MiB free: the test needs {} MiB", parent_,
                                          facts->free_bytes / mebibyte,
                                          2 * max_at_once / mebibyte));
        }
        return {};
    }

    Result<void> show_calls(const std::string& directory) {
        const auto allocates = has_fallocate(directory);
        if (allocates.has_error()) return allocates.error();
        say("fallocate", *allocates ? "works" : "not supported");
        if (!*allocates) {
            warn("space is taken by writing to each block, so that a new segment takes longer");
        }
        const auto names = measure_directory_sync(directory);
        if (names.has_error()) {
            say("directory sync", "does not work");
            fail(names.error().message + ": a new segment may be gone after a power cut");
        } else {
            say("directory sync", fmt::format("works, median {}", shown(names->median)));
        }
        return {};
    }

    Result<void> show_commits(const std::string& directory, MonoTime until) {
        const auto found =
            measure_commits(directory, until, [this] { return interruption_.pending(); });
        if (found.has_error()) return found.error();
        if (interruption_.pending()) return not_tested("interrupted");
        say("fdatasync",
            fmt::format("median {}, 99% within {} ({} of them)", shown(found->sync.median),
                        shown(found->sync.p99), found->sync.samples));
        if (found->sync.median < fastest_sync) {
            warn(
                "that is too fast for a disk that writes: something answers before the data is "
                "safe (a virtual disk with an unsafe cache, a file system that ignores syncs), and "
                "a power cut may lose acknowledged events");
            ++doubts_;
        }
        say("commits of 8 KiB",
            fmt::format("overwriting {}, into allocated space {}, growing {}",
                        shown(found->written.median), shown(found->allocated.median),
                        shown(found->growing.median)));
        say("", fmt::format("overwriting, as flowrelayd nearly always does, is {:.1f} times "
                            "as fast as growing",
                            found->growing.median / found->written.median));
        return {};
    }

    Result<void> show_kills(const std::string& directory, MonoTime until) {
        const auto found = run_kill_test(directory, until, random_, interruption_);
        if (found.has_error()) return found.error();
        if (interruption_.pending()) return not_tested("interrupted");
        say("kill -9", fmt::format("{}, {} acknowledged, {} lost; a start took at most {}",
                                   app::counted(found->kills, "time"),
                                   app::counted(found->acknowledged, "event"), found->lost,
                                   format_duration(found->slowest_recovery)));
        if (found->lost > 0) fail("acknowledged events were lost though only a process died");
        if (found->revived > 0) {
            fail(app::counted(found->revived, "settled event") +
                 " came back though only a process died");
        }
        if (found->unaccounted != 0) {
            fail(fmt::format("events are unaccounted for: {}", found->unaccounted));
        }
        if (found->kills == 0) return not_tested("no time was left for the kills: raise --seconds");
        return {};
    }

    static std::string shown(Microseconds time) {
        return time.count() < 1000 ? fmt::format("{:.0f} us", time.count())
                                   : fmt::format("{:.1f} ms", time.count() / 1000);
    }
    static void say(std::string_view what, std::string_view found) {
        fmt::print("  {:<17} {}\n", what, found);
        std::fflush(stdout);
    }
    void warn(std::string_view text) {
        fmt::print("  WARNING: {}\n", text);
        ++warnings_;
    }
    void fail(std::string_view text) {
        fmt::print("  BROKEN: {}\n", text);
        ++broken_;
    }

    std::string parent_;
    unsigned seconds_;
    Random random_;
    Interruption interruption_;
    unsigned warnings_ = 0;
    unsigned doubts_ = 0;  // warnings that a power cut may lose events
    unsigned broken_ = 0;
};

// --- the power cut -------------------------------------------------------------------------------

ExitCode complain_of(const Error& error) {
    fmt::print(stderr, "flowrelay: {}\n", error.message);
    return ExitCode::can_not_tell;
}

ExitCode write_for_power_cut(const TestOptions& options, unsigned seconds) {
    fmt::print(
        "Writing to {}, at most 64 MiB at a time, for at most {} s.\n"
        "Watch this from another machine, cut the power of this one (not its reset button, "
        "not a shutdown),\nand note the last number. Afterwards: flowrelay spool test {} "
        "--power-cut check --acknowledged NUMBER\n",
        power_cut_directory(options.directory), seconds, options.directory);
    std::fflush(stdout);
    Interruption interruption;
    constexpr Milliseconds between_lines{100};
    auto next_line = Clock::now();
    std::uint64_t last = 0;
    const auto done = write_until_power_cut(
        options.directory, Clock::now() + Seconds(seconds),
        [&interruption] { return interruption.pending(); },
        [&](std::uint64_t number) {
            last = number;
            if (Clock::now() < next_line) return;
            fmt::print("acknowledged {}\n", number);
            std::fflush(stdout);
            next_line = Clock::now() + between_lines;
        });
    if (done.has_error()) return complain_of(done.error());
    fmt::print(
        "acknowledged {}\nThe power was not cut. `--power-cut check` looks at what is there "
        "and removes it.\n",
        last);
    return ExitCode::ok;
}

ExitCode check_after_power_cut(const TestOptions& options) {
    if (const auto checked = result_of_power_cut(options.directory)) {
        fmt::print("This power cut was checked on {}; what had been written is removed.\n",
                   *checked);
        return ExitCode::ok;
    }
    const auto found = look_after_power_cut(options.directory);
    if (found.has_error()) return complain_of(found.error());
    if (found->last == 0) {
        fmt::print("Nothing is left of what was written.\n");
    } else {
        fmt::print("The events {} to {} are there ({} of them missing); all before are settled.\n",
                   found->first, found->last, found->missing);
    }
    if (found->damaged > 0) {
        fmt::print("{} range{} of bytes lost that had been synced.\n", found->damaged,
                   found->damaged == 1 ? " is" : "s are");
    }
    const std::uint64_t lost = lost_in_power_cut(*found, options.acknowledged);
    const bool broken = lost > 0 || found->damaged > 0;
    if (broken) {
        fmt::print(
            "Result: BROKEN: at least {} acknowledged events are lost. A sync means nothing "
            "on this disk, or on what lies between: look at its write cache, the "
            "controller, the hypervisor.\n"
            "{} is left for you to look at; remove it afterwards.\n",
            lost, power_cut_directory(options.directory));
        return promise_broken;
    }
    if (options.acknowledged == 0) {
        fmt::print(
            "Compare that with the last number that you saw: a smaller one there is fine. "
            "With --acknowledged NUMBER this is done for you, and what was written is "
            "removed.\n");
        return found->last == 0 ? ExitCode::can_not_tell : ExitCode::ok;
    }
    const std::string result =
        fmt::format("all {} acknowledged events are accounted for", options.acknowledged);
    fmt::print("Result: {}.\n", result);
    const auto now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
    const auto closed =
        close_power_cut(options.directory, fmt::format("{}: {}", format_time(now), result));
    if (closed.has_error()) return complain_of(closed.error());
    return ExitCode::ok;
}

ExitCode run_test(const TestOptions& options) {
    constexpr unsigned test_seconds = 15;
    constexpr unsigned power_cut_seconds = 300;
    if (options.power_cut == "check") return check_after_power_cut(options);
    if (options.power_cut == "write") {
        return write_for_power_cut(options,
                                   options.seconds == 0 ? power_cut_seconds : options.seconds);
    }
    return DiskTest(options.directory, options.seconds == 0 ? test_seconds : options.seconds).run();
}

}  // namespace

void add_spool_test(Command spool, Context& context) {
    const Command command = spool.add_subcommand("test", "Test whether a disk keeps its promises");
    const auto options = std::make_shared<TestOptions>();
    command
        .add_option("DIR", options->directory,
                    "A directory on that disk; its contents are not changed")
        .required()
        .not_empty()
        .type_name("");
    command.add_option("--seconds", options->seconds, "How long (15; with --power-cut write 300)")
        .between(1, 86'400)
        .type_name("N");
    const Option power_cut = command
                                 .add_option("--power-cut", options->power_cut,
                                             "write: write and print numbers until you cut the "
                                             "power; check: report what was kept")
                                 .one_of({"write", "check"})
                                 .type_name("PHASE");
    command
        .add_option("--acknowledged", options->acknowledged,
                    "With --power-cut check: the last number that you saw")
        .needs(power_cut)
        .type_name("N");
    command.footer(
        "Shows the type of the file system, what a sync costs and whether it is a real one. "
        "Repeatedly kills\n"
        "a process that writes a log like flowrelayd's. flowrelayd may run meanwhile.\n"
        "\n"
        "Exit status: 0 the disk is fit for a spool, 1 it can't be tested, 2 it is not fit, 3 it "
        "works but a\n"
        "power cut may lose acknowledged events, 64 wrong options.");
    command.callback(
        [options, &context] { context.run = [options] { return run_test(*options); }; });
}

}  // namespace flowrelay::cli
