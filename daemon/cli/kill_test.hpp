// Repeatedly kills a process that writes a real log, and checks that everything it had acknowledged
// is still there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/test_directory.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/storage/event_queue.hpp"

namespace flowrelay::cli {

/// Returns all events of a queue, in the order of their seqs.
Result<std::vector<Seq>> list_queue(storage::EventQueue& queue);

/// Returns a test event of some hundred bytes.
core::EventRecord make_test_event(std::uint64_t number);

struct KillTestResult {
    unsigned kills = 0;
    std::uint64_t acknowledged = 0;  ///< events
    std::uint64_t lost = 0;          ///< acknowledged, but missing or unreadable
    std::uint64_t revived = 0;       ///< durably settled, but back in the queue
    std::int64_t unaccounted = 0;    ///< of the ledger at the end
    Milliseconds slowest_recovery{0};
};

inline constexpr unsigned max_kills = 50;
inline constexpr std::uint64_t max_bytes_between_kills = 4U << 20;

/// Runs the test in `directory`/log, which must not exist yet. Ends at `until`, after max_kills, or
/// on an interruption. Error: the log can't be written or opened.
Result<KillTestResult> run_kill_test(const std::string& directory, MonoTime until, Random& random,
                                     Interruption& interruption);

}  // namespace flowrelay::cli
