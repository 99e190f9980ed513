// The persistent queue: events are durable once commit() returns, and stay until they are settled.
//
// Another storage engine can replace the embedded log by implementing this interface
// (docs/architecture.md): it does not mention files. Retries, attempts, lanes and pauses belong to
// the layers above.
//
// All calls block. One thread (the storage thread).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/active_set.hpp"
#include "flowrelay/core/ledger.hpp"
#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::storage {

using core::EventRecord;
using core::Settlement;

enum class QueueErrc {
    full = 1,    ///< a limit is reached or the disk is full: nothing was taken; try again later
    failed,      ///< a write or sync failed: nothing becomes durable any more until a restart
    not_found,   ///< no such event in the queue
    damaged,     ///< the event's record is not what was written
    unreadable,  ///< the disk does not return some bytes: their contents are unknown; try again
};
const boost::system::error_category& queue_category() noexcept;
error_code make_error_code(QueueErrc value) noexcept;

struct QueueUsage {
    std::uint64_t events = 0;      ///< number of queued events
    std::uint64_t disk_bytes = 0;  ///< size of all files of the queue
    /// The part of disk_bytes that is reserved and not written to yet: the spool grows by whole
    /// segments, and is filled event by event.
    std::uint64_t unused_bytes = 0;
};

/// Why the queue accepts no events at present.
struct RefusingBecause {
    /// Code for programs: "max_events", "max_size", "disk_full", "no_descriptors", "storage_failed"
    /// (docs/protocol.md).
    std::string_view code;
    std::string reason;  ///< a sentence for people
};

/// Limits of the queue; may change while it is in use.
struct QueueLimits {
    std::uint64_t max_size = 0;    ///< bytes of all files; a larger queue keeps what it has
    std::uint64_t max_events = 0;  ///< queued events; 0: no limit
    /// How long ids of settled events are kept. If it is increased, ids that are still stored are
    /// found again; the window is complete once it has passed.
    Milliseconds dedup_window{0};
};

class EventQueue {
public:
    virtual ~EventQueue() = default;

    /// Makes the events and the outcomes durable with one sync. The events get consecutive seqs;
    /// returns the first. `full`: no event was taken; the outcomes are kept and written with a
    /// later commit. `failed`: it is unknown whether any of them is durable, and every later commit
    /// fails too. Both spans may be empty; then nothing is written unless outcomes are pending.
    virtual Result<Seq> commit(std::span<const EventRecord> events,
                               std::span<const Settlement> outcomes) = 0;

    /// Returns why a commit of one event with a body of `bytes` bytes would be refused; nothing if
    /// it would not. Reserves the space for it if possible, as the commit would.
    virtual std::optional<RefusingBecause> refusing(std::uint64_t bytes) = 0;

    /// Does a bounded piece of deferrable work (milliseconds). Returns whether there is more. To be
    /// called when idle, and now and then when never idle. Errors are those of a failed commit.
    virtual Result<bool> maintain() = 0;

    /// Called at a clean shutdown: makes all durable commits distinguishable from one that was cut
    /// short. Without it the next start may take damage in the last commit for a torn write. Errors
    /// are those of a commit, and can be ignored.
    virtual Result<void> confirm() = 0;

    /// Records outside the queue how far it has come, so that a start notices if its end, or all of
    /// it, is lost. To be called every few minutes; the queue also does it when it grows and in
    /// confirm(). Best effort: without it such a loss is reported with a smaller count.
    virtual void note_progress() = 0;

    /// Reads a queued event.
    virtual Result<EventRecord> read(Seq seq) = 0;

    /// Begins to erase tokens: settles all their queued events as `erased`, and wipes the contents
    /// of all their records, including those of events settled long ago. erase_some() does the
    /// work. Abandons an erasure in progress. No event of these tokens may be committed any more.
    virtual void begin_erasure(std::span<const TokenId> tokens) = 0;

    /// Number of events settled for each token, including those settled by earlier erasures that
    /// failed; tokens without any are left out.
    using ErasedEvents = std::map<TokenId, std::uint64_t>;
    /// Does a bounded piece of the erasure (milliseconds). Returns a value once it is done: then no
    /// file of the queue contains a byte of a body, thread or id of these tokens. An error ends the
    /// erasure. Can be begun again after an error or a crash.
    virtual Result<std::optional<ErasedEvents>> erase_some() = 0;

    /// Erases one token, in one call. Returns how many events were settled.
    Result<std::uint64_t> erase(TokenId token);

    /// The queued events of one token. backlog() leaves out tokens without any.
    struct Backlog {
        TokenId token = TokenId::none;
        std::uint64_t events = 0;
        Seq first = Seq::none;  ///< the oldest queued event
    };
    virtual Result<std::vector<Backlog>> backlog() = 0;

    /// The next queued events that match a request, in the order of their seqs. One call examines a
    /// bounded number of events: the slice may be short or empty and still not complete. `records`
    /// has the records of its first events: those that can be read and take at most `record_bytes`
    /// on disk. Unless `record_bytes` is 0, the first event's is read whatever its size.
    struct Loaded {
        core::LoadedSlice slice;
        std::vector<EventRecord> records;
    };
    virtual Result<Loaded> load(const core::LoadRequest& request, std::uint64_t record_bytes) = 0;

    /// Passes ids chosen by producers to `use`, for the deduplication window: the newest `limit`
    /// ids of events accepted since `since`, oldest first.
    struct KnownId {
        TokenId token;
        std::string_view id;  ///< valid during the call
        WallTime accepted;
    };
    virtual void known_ids(WallTime since, std::size_t limit,
                           const std::function<void(const KnownId&)>& use) = 0;

    /// Reserves all seqs up to `highest`: they belong to events stored elsewhere and are not
    /// assigned again.
    virtual void reserve(Seq highest) = 0;

    /// Replaces the limits.
    virtual void set_limits(const QueueLimits& limits) = 0;

    /// Books events as lost that are unaccounted for or whose letters are missing. Durable on
    /// return. Errors are those of a commit; nothing is booked then.
    virtual Result<void> book_lost(const core::Loss& loss, const core::LossBooking& booking) = 0;

    /// Returns the last booking of events as lost.
    virtual std::optional<core::LossBooking> last_loss() const = 0;

    virtual core::Ledger ledger() const = 0;
    virtual QueueUsage usage() const = 0;
};

}  // namespace flowrelay::storage

template <>
struct boost::system::is_error_code_enum<flowrelay::storage::QueueErrc> : std::true_type {};
