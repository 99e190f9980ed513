// The persistent queue: events that are durable once commit() returns, until they are settled.
//
// This is the seam at which another engine could take the embedded log's place (docs/
// architecture.md): nothing here speaks of files. Retries, attempts, lanes and pauses stay above.
//
// All calls block and come from one thread (the storage thread).
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
    full = 1,    ///< a limit or the disk is full: nothing was taken; try again later
    failed,      ///< a write or sync failed: this process can't make anything durable any more
    not_found,   ///< no such event in the queue
    damaged,     ///< the event's record is not what was written
    unreadable,  ///< the disk does not give some bytes: nothing is known of them; try again
};
const boost::system::error_category& queue_category() noexcept;
error_code make_error_code(QueueErrc value) noexcept;

struct QueueUsage {
    std::uint64_t events = 0;      ///< queued
    std::uint64_t disk_bytes = 0;  ///< of all files of the queue
    /// Of these, reserved and not written to yet: a spool grows by whole segments, what is used of
    /// it event by event.
    std::uint64_t unused_bytes = 0;
};

/// Why the queue takes no events at present.
struct RefusingBecause {
    /// A word for programs: "max_events", "max_size", "disk_full", "no_descriptors",
    /// "storage_failed" (docs/protocol.md).
    std::string_view code;
    std::string reason;  ///< a sentence
};

/// What the queue keeps to; may change while it is in use.
struct QueueLimits {
    std::uint64_t max_size = 0;    ///< of all files; what is over it already stays
    std::uint64_t max_events = 0;  ///< queued; 0: no limit
    /// So long are the ids of settled events kept. One that grows finds those again that are kept
    /// still: it is whole when it has passed once.
    Milliseconds dedup_window{0};
};

class EventQueue {
public:
    virtual ~EventQueue() = default;

    /// Makes the events and the outcomes durable, all in one go: returns after the sync. Events get
    /// consecutive seqs from the returned one on. On `full` no event was taken, the outcomes are
    /// kept and go with a later commit. On `failed` neither is known to be durable and every later
    /// commit fails as well. Both spans may be empty; then nothing is written unless outcomes wait.
    virtual Result<Seq> commit(std::span<const EventRecord> events,
                               std::span<const Settlement> outcomes) = 0;

    /// Says whether a commit of one event with a body of `bytes` bytes would be refused, and why.
    /// Reserves the space for it if it can, as the commit would.
    virtual std::optional<RefusingBecause> refusing(std::uint64_t bytes) = 0;

    /// Does a bounded piece of work that can wait (milliseconds); gives whether there is more. To
    /// be called when there is nothing else to do, and now and then when there always is. An error
    /// is like that of a failed commit.
    virtual Result<bool> maintain() = 0;

    /// For a clean end: sees to it that all that was made durable can be told from a commit that
    /// was cut short. Without it the next start may take damage in the last commit for the trace of
    /// a crash. An error is like that of a commit, and can be ignored.
    virtual Result<void> confirm() = 0;

    /// Writes beside the queue how far it has come, so that a start notices when the end of it, or
    /// all of it, is lost. To be called every few minutes; the queue does it by itself when it
    /// grows and in confirm(). Best effort: without it such a loss is told with a smaller count.
    virtual void note_progress() = 0;

    /// Reads an event that is queued.
    virtual Result<EventRecord> read(Seq seq) = 0;

    /// Begins to erase tokens: everything queued for them is settled as `erased`, and the contents
    /// of all their records are wiped, also of those settled long ago. The work is done by
    /// erase_some(). Gives up an erasure that has not ended. No event of these tokens may be
    /// committed any more.
    virtual void begin_erasure(std::span<const TokenId> tokens) = 0;

    /// How many events of each token were settled, also by erasures before that failed; tokens
    /// without any are left out.
    using ErasedEvents = std::map<TokenId, std::uint64_t>;
    /// Does a bounded piece of the erasure (milliseconds). Returns a value once it is done: then no
    /// byte of a body, thread or id of these tokens is left in any file of the queue. An error ends
    /// the erasure. Safe to begin again after an error or a crash.
    virtual Result<std::optional<ErasedEvents>> erase_some() = 0;

    /// Erases one token in one go. Returns how many events were settled.
    Result<std::uint64_t> erase(TokenId token);

    /// What is queued for each token; tokens without events are left out.
    struct Backlog {
        TokenId token = TokenId::none;
        std::uint64_t events = 0;
        Seq first = Seq::none;  ///< the oldest of them
    };
    virtual Result<std::vector<Backlog>> backlog() = 0;

    /// The next queued events that a request asks for, in the order of their seqs. Looks at a
    /// bounded number of events for each call: an answer may be short, or empty, and still not
    /// complete. Of the first events in it the records come along, as many as can be read and take
    /// at most `record_bytes` on the disk; unless that is 0, the first one's in any case.
    struct Loaded {
        core::LoadedSlice slice;
        std::vector<EventRecord> records;
    };
    virtual Result<Loaded> load(const core::LoadRequest& request, std::uint64_t record_bytes) = 0;

    /// Gives ids that producers chose, of events accepted since then, to `use`: the newest `limit`
    /// of them, older ones first, for the deduplication window.
    struct KnownId {
        TokenId token;
        std::string_view id;  ///< valid during the call
        WallTime accepted;
    };
    virtual void known_ids(WallTime since, std::size_t limit,
                           const std::function<void(const KnownId&)>& use) = 0;

    /// Seqs up to this one belong to events that something else knows: none is given out again.
    virtual void reserve(Seq highest) = 0;

    /// From now on.
    virtual void set_limits(const QueueLimits& limits) = 0;

    /// Books events as lost that are unaccounted for, or whose letters are missing: durable when it
    /// returns. An error is like that of a commit, and nothing is booked then.
    virtual Result<void> book_lost(const core::Loss& loss, const core::LossBooking& booking) = 0;

    /// The last booking of events as lost.
    virtual std::optional<core::LossBooking> last_loss() const = 0;

    virtual core::Ledger ledger() const = 0;
    virtual QueueUsage usage() const = 0;
};

}  // namespace flowrelay::storage

template <>
struct boost::system::is_error_code_enum<flowrelay::storage::QueueErrc> : std::true_type {};
