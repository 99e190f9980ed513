// Which events are accepted: finds the slot of a submission, completes it, recognises what was
// handed in before, holds quotas, gives ids, and says what to tell the producer.
//
//   submit -> Append    -> (made durable)  -> committed | commit_failed
//          -> Duplicate -> (a barrier)     -> confirm
//          -> Filtered | Rejection
//          -> Copies: some of the first two, for a source with several routes
//
// An event for a source with routes goes to each of them that may be used and whose filter passes,
// as a copy of its own. It is refused as a whole if one copy is: then nothing has changed.
//
// It counts what is on its way to the disk, for the quotas, and knows which of these events bring
// the entry of their slot along. What it accepts goes to the destination; an event whose token has
// gone meanwhile goes to TokenLifecycle. Delivery is not known to it. Pure; owned by one thread
// (the I/O thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/dedup_window.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/event.hpp"
#include "flowrelay/core/event_filter.hpp"
#include "flowrelay/core/refusal_log.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/reporting.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/submitter.hpp"
#include "flowrelay/core/token_lifecycle.hpp"
#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {

class Admission {
public:
    /// All arguments but `random` outlive it.
    Admission(const RelayOptions& options, TokenTable& tokens, DedupWindow& known_ids,
              RelayCounters& counters, Destination& destination, Reporting& reporting,
              TokenLifecycle& lifecycle, Random random, Log& log);
    Admission(const Admission&) = delete;
    Admission& operator=(const Admission&) = delete;

    /// Make this durable (the token first, if there is one), then call committed().
    struct Append {
        EventRecord record;
        std::optional<TokenEntry> new_token;
    };
    /// Was handed in before, perhaps a moment ago: when all that was handed to storage before now
    /// is committed, answer what confirm() says.
    struct Duplicate {
        TokenId token = TokenId::none;
        std::string id;
        std::uint64_t failures = 0;  ///< commits of events with ids that had failed before
    };
    /// No filter lets it pass: there is nothing to do but to answer.
    struct Filtered {
        std::string id;
    };
    /// The copies of one event, two at least, without those that filters do not let pass: they all
    /// have its id. It is accepted when all are committed or confirmed, and a duplicate if all are.
    struct Copies {
        std::vector<Append> appends;
        std::vector<Duplicate> duplicates;
    };
    using Decision = std::variant<Append, Duplicate, Filtered, Rejection, Copies>;

    Decision submit(Submission submission, Now now, const Submitter& by = {});

    /// Counts and logs what was refused before it was an event (it is no JSON, no request for
    /// /messages, ...); returns the rejection.
    Rejection refuse(Rejection rejection, const Submitter& by, Now now);

    /// Logs that a producer has let `bytes` of answers lie for a minute.
    void note_unread(const Submitter& by, std::uint64_t bytes);

    /// The event is durable as `seq`. True: the scheduler has it; otherwise it waits on disk.
    bool committed(const EventRecord& record, Seq seq);

    /// Counts an event that is answered as accepted and stored, however many copies it has.
    void event_accepted() noexcept { ++counters_.accepted_events; }

    /// The commit failed. Returns the rejection to send to the producer. `full`: try again later.
    Rejection commit_failed(const EventRecord& record, bool full);

    /// Forgets a copy whose commit failed, of an event that is refused already.
    void copy_failed(const EventRecord& record);

    /// Whether a duplicate still is one: its original may have failed meanwhile.
    bool confirm(const Duplicate& duplicate, Now now);

    /// From now on submissions are refused with shutting_down.
    void stop_accepting() noexcept { accepting_ = false; }
    bool accepting() const noexcept { return accepting_; }

    /// Takes an id that was found on the disk at the start.
    void remember(TokenId token, std::string_view id, WallTime accepted);
    /// Capacity of the deduplication window, in ids.
    std::size_t dedup_capacity() const noexcept { return options_.dedup_entries; }

    /// Whether events of the token are refused because spool.max_events_per_token is reached.
    bool at_quota(TokenId token) const;
    /// Whether events of the token are on their way to the disk.
    bool has_uncommitted(TokenId token) const { return uncommitted_.contains(token); }
    /// The slot has no events, on their way or else, and is forgotten.
    void forget(TokenId token);

private:
    /// What an event on its way to the disk has with it: the entry of its slot, which is new or was
    /// changed.
    struct Carried {
        std::string event_id;  ///< empty: that one was not written, and any after it tells
        TokenEntry entry;
    };

    Rejection rejected(Rejection rejection, std::string_view label,
                       const std::optional<Producer>& by, MonoTime now);
    /// Events of a token that are queued or on their way to the disk.
    std::uint64_t counted_for_quota(TokenId token) const;
    Rejection refuse_over_quota(TokenId token, Now now, const std::optional<Producer>& by);
    void note_below_quota(TokenId token);
    Decision submit_copies(Submission submission, std::string_view source, Now now,
                           const Submitter& by);
    std::optional<Rejection> refuse_user(const Token& token, const Submitter& by, Now now);
    /// Of an event with its defaults: whether it breaks a rule, or is too large with them.
    std::optional<Rejection> refuse_contents(
        const boost::system::result<Submission::Contents, Rejection>& contents, const Token& token,
        const Submitter& by, Now now);
    Append make_append(TokenId slot, Submission::Contents&& contents, std::string id, bool own_id,
                       const Submitter& by, Now now);
    Rejection refuse_new_token(Now now, const std::optional<Producer>& by);
    void filter_out(TokenId token, FilterList list, std::string_view id, Now now);
    void no_longer_uncommitted(TokenId token);
    TokenEntry carry_entry(TokenId token, const std::string& event_id);
    void entry_arrived(const EventRecord& record);

    const RelayOptions& options_;
    TokenTable& tokens_;
    DedupWindow& dedup_;
    RelayCounters& counters_;
    Destination& destination_;
    ActiveSet& active_;
    Reporting& reporting_;
    TokenLifecycle& lifecycle_;
    Log& log_;
    RefusalLog refusal_log_;
    UuidGenerator ids_;
    std::deque<std::pair<TokenId, std::uint64_t>> failed_ids_;  ///< the last, by their hashes
    std::uint64_t forgotten_failures_ = 0;                      ///< that came before these
    /// Tokens at their quota, and when the next reminder of that is due.
    std::unordered_map<TokenId, MonoTime> over_quota_;
    std::unordered_map<TokenId, std::uint64_t> uncommitted_;  ///< events on their way to the disk
    std::unordered_map<TokenId, Carried> carried_;
    bool accepting_ = true;
};

}  // namespace flowrelay::core
