// bench_erasure: a spool full of events of many tokens, most of which are erased at once while
// commits go on. Prints one line of JSON: how long commits wait, and how long the longest step of
// the erasure takes.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "flowrelay/storage/segmented_log.hpp"
#include "storage/dead_letters.hpp"

namespace flowrelay::bench {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin) {
    return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

template <class T>
T or_throw(Result<T> result) {
    if (result.has_error()) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

struct Times {
    std::vector<double> all;

    double at(double share) {
        if (all.empty()) return 0;
        std::ranges::sort(all);
        return all[static_cast<std::size_t>(static_cast<double>(all.size() - 1) * share)];
    }
};

std::vector<core::EventRecord> make_batch(std::size_t events, std::size_t tokens,
                                          std::size_t first_token, std::uint64_t& number) {
    std::vector<core::EventRecord> batch(events);
    for (auto& event : batch) {
        ++number;
        event.token = TokenId{first_token + number % tokens};
        event.thread = fmt::format("e:{}", number % 1000);
        event.accepted = WallTime(Milliseconds(static_cast<std::int64_t>(number)));
        event.own_id = number % 2 == 0;
        event.id = fmt::format("id-{:032}", number);
        event.body.assign(2048, 'x');
    }
    return batch;
}

/// Fills a store of dead letters, of the same tokens as the queue.
std::unique_ptr<storage::DeadLetters> make_letters(storage::FileSystem& file_system,
                                                   const std::string& path, std::size_t letters,
                                                   std::size_t tokens, Log& log) {
    auto store = or_throw(storage::DeadLetters::open(file_system, path, log));
    std::uint64_t number = 0;
    while (number < letters) {
        std::vector<core::DeadLetter> portion;
        for (auto& event :
             make_batch(std::min<std::size_t>(1000, letters - number), tokens, 1, number)) {
            core::DeadLetter letter;
            letter.seq = Seq{number + portion.size()};
            letter.event = std::move(event);
            portion.push_back(std::move(letter));
        }
        const auto added = store->add(portion);
        if (added.has_error()) throw std::runtime_error(added.error().message);
    }
    return store;
}

void run(const std::string& directory, std::uint64_t bytes, std::size_t gone,
         std::size_t letter_count) {
    NullLog log;
    const auto file_system = storage::make_posix_file_system();
    storage::LogOptions options;
    options.max_size = bytes + (1ULL << 30);
    options.dedup_window = std::chrono::hours(24);
    auto queue =
        or_throw(storage::open_segmented_log(*file_system, directory + "/log", options, log));
    std::uint64_t number = 0;
    while (queue->usage().disk_bytes < bytes) {
        or_throw(queue->commit(make_batch(1000, gone + gone / 3, 1, number), {}));
    }
    const std::uint64_t queued = queue->usage().events;
    const auto letters =
        make_letters(*file_system, directory + "/dead-letters", letter_count, gone + gone / 3, log);

    std::vector<TokenId> tokens;
    for (std::size_t i = 1; i <= gone; ++i) tokens.push_back(TokenId{i});
    Times commits;
    Times waits;  // of a commit that comes when a step begins
    Times steps;
    const auto begin = Clock::now();
    queue->begin_erasure(tokens);
    bool queue_done = false;
    bool done = false;
    while (!done) {
        const auto step = Clock::now();
        if (!queue_done) {
            queue_done = or_throw(queue->erase_some()).has_value();
            if (queue_done) letters->begin_erasure(tokens);
        } else {
            done = or_throw(letters->erase_some()).has_value();
        }
        steps.all.push_back(milliseconds_since(step));
        const auto commit = Clock::now();
        or_throw(queue->commit(make_batch(16, gone / 3, gone + 1, number), {}));
        commits.all.push_back(milliseconds_since(commit));
        waits.all.push_back(milliseconds_since(step));
    }
    fmt::print(
        "{{\"bytes\":{},\"events\":{},\"letters\":{},\"tokens\":{},\"seconds\":{:.1f},\"steps\":{},"
        "\"step_p99_ms\":{:.1f},\"step_max_ms\":{:.1f},\"commit_p50_ms\":{:.1f},"
        "\"commit_p99_ms\":{:.1f},\"wait_p99_ms\":{:.1f},\"wait_max_ms\":{:.1f},"
        "\"erased\":{}}}\n",
        bytes, queued, letter_count, gone, milliseconds_since(begin) / 1000, steps.all.size(),
        steps.at(0.99), steps.at(1), commits.at(0.5), commits.at(0.99), waits.at(0.99), waits.at(1),
        queue->ledger().erased);
}

}  // namespace
}  // namespace flowrelay::bench

int main(int argc, char** argv) {
    CLI::App app("Measures how commits fare while tokens are erased from a full spool.");
    std::string directory;
    std::uint64_t gigabytes = 4;
    std::size_t tokens = 3000;
    std::size_t letters = 50'000;
    app.add_option("--directory", directory, "empty; needs the space")->required();
    app.add_option("--gigabytes", gigabytes, "size of the spool");
    app.add_option("--tokens", tokens, "how many are erased; a third as many others stay");
    app.add_option("--letters", letters, "dead letters of 2 KiB");
    CLI11_PARSE(app, argc, argv);
    try {
        flowrelay::bench::run(directory, gigabytes << 30, tokens, letters);
    } catch (const std::exception& error) {
        fmt::print(stderr, "bench_erasure: {}\n", error.what());
        return 1;
    }
    return 0;
}
