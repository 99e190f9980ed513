#include "cli/kill_test.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "flowrelay/storage/segmented_log.hpp"

namespace flowrelay::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Milliseconds longest_life{150};
constexpr std::size_t queue_length = 2000;  // the writer settles older events

/// The writer's report before and after each commit. Writing it to a pipe is atomic (pipe(7)).
struct Note {
    std::uint64_t first = 0;     ///< first seq of the events that are durable now
    std::uint64_t count = 0;     ///< number of them; 0: before the commit
    std::uint64_t settling = 0;  ///< outcomes up to this seq may be written
    std::uint64_t settled = 0;   ///< outcomes up to this seq are durable
};

storage::LogOptions options() {
    storage::LogOptions small;
    small.segment_size = 1U << 20;
    small.max_size = 16U << 20;
    return small;
}

/// Runs the writer until it is killed. Returns what went wrong.
std::string write_log(const std::string& directory, std::deque<std::uint64_t> queued, int out,
                      Random random) {
    const auto file_system = storage::make_posix_file_system();
    NullLog log;
    auto queue = storage::open_segmented_log(*file_system, directory, options(), log);
    if (queue.has_error()) return queue.error().message;
    Note note;
    const auto tell = [out](const Note& what) {
        return ::write(out, &what, sizeof what) == static_cast<ssize_t>(sizeof what);
    };
    std::uint64_t bytes = 0;
    while (bytes < max_bytes_between_kills) {
        std::vector<core::EventRecord> events;
        for (std::uint64_t i = 1 + random.below(32); i > 0; --i) {
            events.push_back(make_test_event(random.next()));
            bytes += events.back().body.size();
        }
        std::vector<core::Settlement> outcomes;
        while (queued.size() > queue_length) {
            note.settling = queued.front();
            outcomes.push_back({Seq{queued.front()}, core::Outcome::delivered});
            queued.pop_front();
        }
        note.count = 0;
        if (!tell(note)) return "its reader is gone";
        const auto first = (*queue)->commit(events, outcomes);
        if (first.has_error()) return first.error().message;
        note.first = to_number(*first);
        note.count = events.size();
        note.settled = note.settling;
        if (!tell(note)) return "its reader is gone";
        for (std::uint64_t i = 0; i < note.count; ++i) queued.push_back(note.first + i);
        if (auto done = (*queue)->maintain(); done.has_error()) return done.error().message;
    }
    while (true) ::pause();
}

class KillTest {
public:
    KillTest(const std::string& directory, Random& random, Interruption& interruption)
        : directory_(directory + "/log"), random_(random), interruption_(interruption) {}

    Result<KillTestResult> run(MonoTime until) {
        while (Clock::now() < until && result_.kills < max_kills && !interruption_.pending()) {
            if (auto done = round(); done.has_error()) return done.error();
        }
        return result_;
    }

private:
    Result<void> round();
    Result<void> hear(int in);
    Result<void> compare();

    std::string directory_;
    Random& random_;
    Interruption& interruption_;
    KillTestResult result_;
    std::deque<std::uint64_t> queued_;  // what recovery found
    std::deque<std::uint64_t> acknowledged_;
    Note last_;
};

/// A writer process, from fork to kill.
Result<void> KillTest::round() {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return system_error(errno, "make", "a pipe");
    const Random seed(random_.next());
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return system_error(errno, "start", "a process");
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
        ::close(ends[0]);
        const std::string trouble = write_log(directory_, queued_, ends[1], seed);
        fmt::print(stderr, "flowrelay: the writer of the test: {}\n", trouble);
        ::_exit(1);
    }
    ::close(ends[1]);
    interruption_.sleep(Milliseconds(1 + random_.below(longest_life.count())));
    ::kill(child, SIGKILL);
    auto heard = hear(ends[0]);
    ::close(ends[0]);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (heard.has_error()) return heard;
    if (WIFEXITED(status)) {
        return Error{boost::system::errc::make_error_code(boost::system::errc::io_error),
                     "the log can't be written to"};
    }
    ++result_.kills;
    return compare();
}

Result<void> KillTest::hear(int in) {
    last_ = {};
    Note note;
    while (true) {
        const ssize_t got = ::read(in, &note, sizeof note);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error(errno, "read", "a pipe");
        if (got == 0) return {};
        last_ = note;
        for (std::uint64_t i = 0; i < note.count; ++i) acknowledged_.push_back(note.first + i);
        result_.acknowledged += note.count;
    }
}

/// Opens the log like a start of the daemon, and compares it with what was acknowledged.
Result<void> KillTest::compare() {
    const auto file_system = storage::make_posix_file_system();
    NullLog log;
    const auto start = Clock::now();
    const auto queue = storage::open_segmented_log(*file_system, directory_, options(), log);
    if (queue.has_error()) return queue.error();
    result_.slowest_recovery = std::max(
        result_.slowest_recovery, std::chrono::duration_cast<Milliseconds>(Clock::now() - start));
    const auto found = list_queue(**queue);
    if (found.has_error()) return found.error();

    while (!acknowledged_.empty() && acknowledged_.front() <= last_.settled) {
        acknowledged_.pop_front();
    }
    for (const std::uint64_t seq : acknowledged_) {
        const bool there = std::ranges::binary_search(*found, Seq{seq});
        // Outcomes up to last_.settling may have been written without being reported.
        if (!there && seq > last_.settling) ++result_.lost;
    }
    queued_.clear();
    for (const Seq seq : *found) {
        if (to_number(seq) <= last_.settled) ++result_.revived;
        if ((*queue)->read(seq).has_error()) ++result_.lost;
        queued_.push_back(to_number(seq));
    }
    // Events that were written but not acknowledged may be there, and then stay.
    acknowledged_ = queued_;
    result_.unaccounted = (*queue)->ledger().unaccounted((*queue)->usage().events);
    return {};
}

}  // namespace

Result<std::vector<Seq>> list_queue(storage::EventQueue& queue) {
    std::vector<Seq> seqs;
    const auto backlog = queue.backlog();
    if (backlog.has_error()) return backlog.error();
    for (const auto& part : *backlog) {
        core::LoadRequest request;
        request.token = part.token;
        request.limit = 1000;
        bool more = true;
        while (more) {
            const auto loaded = queue.load(request, 0);
            if (loaded.has_error()) return loaded.error();
            for (const auto& event : loaded->slice.events) seqs.push_back(event.seq);
            request.after = loaded->slice.end;
            more = !loaded->slice.complete;
        }
    }
    std::ranges::sort(seqs);
    return seqs;
}

core::EventRecord make_test_event(std::uint64_t number) {
    core::EventRecord event;
    event.token = TokenId{1};
    event.thread = fmt::format("e:thread-{}", number % 10);
    event.thread_hash = hash_thread(event.thread);
    event.accepted = SystemClock().now().wall;
    event.id = fmt::format("test-{:016x}", number);
    event.body = fmt::format(R"({{"title":"{:<{}}"}})", number, 100 + number % 400);
    return event;
}

Result<KillTestResult> run_kill_test(const std::string& directory, MonoTime until, Random& random,
                                     Interruption& interruption) {
    return KillTest(directory, random, interruption).run(until);
}

}  // namespace flowrelay::cli
