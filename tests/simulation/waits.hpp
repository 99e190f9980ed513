// An independent implementation of what docs/protocol.md says about Retry-After, refusals and
// outages: when the relay may send again. It is notified of each turn, answer and operator's
// request, and reports turns that come too early, and waits reported by the relay that do not
// follow from the answers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::test {

/// Writes older than this are on the disk, unless the disk fails or is full.
inline constexpr Milliseconds durable_after{2000};

class Waits {
public:
    using Lane = std::pair<std::size_t, std::string>;  ///< token and thread
    using Complain = std::function<void(std::string)>;

    Waits(core::SchedulerOptions options, Milliseconds cap, Complain complain);

    // ---- attempts

    /// The event's attempt begins.
    void began(Seq seq, const Lane& lane, Now now);
    /// The attempt was not made because it was no longer valid, or its answer was for a former
    /// token or destination.
    void withdrawn(Seq seq, const Lane& lane);
    /// The attempt was not made, or ended without an answer.
    void cancelled(Seq seq, const Lane& lane, Now now);
    struct Situation {
        bool removed = false;        ///< its token is gone meanwhile
        bool others_queued = false;  ///< other tokens have events queued in memory
        bool of_all = false;         ///< other events were refused like it
    };
    void answered(Seq seq, const Lane& lane, const core::AttemptResult& result, Situation situation,
                  Now now);

    // ---- operators

    /// An operator retries an event of the lane now. `under_way`: an attempt of the lane is in
    /// progress.
    void tried_now(const Lane& lane, bool under_way, Now now);
    /// An operator requests the next probe of the destination now.
    void destination_tried_now(Now now);
    void resumed(std::size_t token);
    /// An event left its lane before its turn.
    void dropped(Seq seq, const Lane& lane);
    /// An event that had left, perhaps because of its age, is queued again.
    void replayed(Seq seq, const Lane& lane);
    /// The token is gone or replaced: earlier answers about it no longer apply.
    void removed(std::size_t token);
    /// The slot had no events and is forgotten.
    void forgotten(std::size_t token);
    /// The destination has changed: earlier answers no longer apply.
    void redirected();

    // ---- processes

    /// `unsafe`: the process's last writes may not have reached the disk.
    void process_ended(Now now, bool unsafe);
    void process_started(const std::set<std::size_t>& gone, Now now);

    // ---- the relay's reports, which must follow from the answers. They also fix the length of
    // random waits.

    void told(const core::Scheduler::Status& status, Now now);
    void told(std::size_t token, const core::Scheduler::TokenStatus& status, Now now);
    /// Returns whether a lane may wait until then.
    bool may_wait(const Lane& lane, MonoTime until) const;

    // ---- views

    bool destination_closed() const { return destination_.closed; }
    /// Returns whether this token may still post although the destination is closed, which can show
    /// that the destination is well.
    bool admits_early(std::size_t token) const;
    /// Returns whether an attempt is in progress whose result counts for the destination;
    /// token_is_tried(): for the token.
    bool destination_is_tried() const { return !destination_.inside.empty(); }
    bool token_is_tried(std::size_t token) const;

    /// Returns whether the server may recently have refused a request because of its rate.
    bool may_be_paced(Now now) const;
    /// Maximum wait caused by a rate limit.
    static constexpr Seconds longest_pace{30};

    /// Number of waits requested by the server; remembered(): of those, the ones that a later
    /// process had to keep.
    std::uint64_t asked() const noexcept { return asked_; }
    std::uint64_t remembered() const noexcept { return remembered_; }

private:
    // A wait requested by the server.
    struct Ask {
        WallTime at;
        Milliseconds wait{0};
        WallTime until;
        bool is_old = false;   // from an earlier process
        bool is_safe = false;  // on the disk
        bool is_over = false;  // ended by an operator or a 410, whatever is on the disk
    };
    /// The failures since the last success, by kind.
    struct Evidence {
        enum Kind { no_connection, no_answer, server_error, asked_to_wait, wrong_url, none };
        struct Row {
            unsigned answers = 0;
            std::set<Lane> lanes;
        };
        std::map<Kind, Row> rows;
        std::set<std::size_t> tokens;
        bool maybe = false;  // the relay may have less evidence

        void note(Kind kind, const Lane& lane);
        void answered();
        bool is_wide(Kind kind, const core::SchedulerOptions& options) const;
    };
    static Evidence::Kind kind_of(const core::Judgement& judgement);

    /// Allowance of a destination after it was deferred, until an answer comes.
    static constexpr std::size_t first_allowance = 2;
    /// A 503 so soon after a good answer may be caused by a limit.
    static constexpr Seconds limits_after_good{1};

    struct Door {
        bool closed = false;
        bool unsure = false;  // the model's state is uncertain
        // While closed: bounds for the next probe.
        MonoTime earliest = MonoTime::min();
        MonoTime latest = MonoTime::min();
        // Attempts that began since it was last closed; only their results count.
        std::set<Seq> inside;
        std::vector<Ask> asks;

        void close(MonoTime from, MonoTime to);
        void extend(MonoTime until);
        void end_soon(MonoTime now);
        void try_now(MonoTime now);
    };
    static constexpr std::size_t nobody = SIZE_MAX;
    struct Destination : Door {
        core::DestinationState state = core::DestinationState::up;
        Evidence evidence;
        std::set<Lane> outage;  ///< lanes whose probes were answered by a server that is not well
        std::set<std::size_t> suspects;  ///< tokens whose answers have shown the outage
        bool may_be_theirs = false;      ///< only suspects have shown it, so others may be tried
        bool suspects_unsure = false;
        unsigned probes_failed = 0;
        std::size_t allowance = 0;           // maximum concurrent attempts
        std::size_t allowance_before = 0;    // the outage
        std::size_t probe_token = nobody;    // of the probe that began last
        unsigned passes = 0;                 // probes of a parked one that may say nothing new
        MonoTime good_at = MonoTime::min();  // time of the last success
        std::size_t good_token = nobody;     // whose success that was
    };
    struct Token : Door {
        core::TokenState state = core::TokenState::active;
        unsigned throttled_in_a_row = 0;
        unsigned probes_failed = 0;
        Evidence evidence;
        bool probes_unsure = false;   // how many have failed is uncertain
        bool perhaps_parked = false;  // its pause hides from the model whether it is parked
    };
    void park(Token& token, Now now);
    // State of a lane; it concerns the lane's first event.
    struct Head {
        Seq seq = Seq::none;
        unsigned failures = 0;
        bool blamed_token = false;
        bool blamed_destination = false;
        bool unsure = false;  // the relay may have forgotten it
        MonoTime earliest = MonoTime::min();
        MonoTime latest = MonoTime::min();
    };
    using Range = std::pair<MonoTime, MonoTime>;

    void begin(Door& door, const std::string& whose, std::size_t allowance, std::size_t token,
               Seq seq, Now now);
    bool may_go_beside(std::size_t token) const;
    struct Answer {
        core::Judgement judgement;
        Evidence::Kind kind = Evidence::none;
        std::optional<Milliseconds> asked;
        bool current = false;  // began since the door was last closed
        Lane lane;
        bool blamed_url = false;
        bool unsure = false;  // `blamed_url` is uncertain
        bool token_waits = false;
        bool alone = false;
        bool limits = false;  // may be caused by exceeding a rate limit
    };
    void answer_destination(const Answer& answer, Now now);
    void blame_destination(const Answer& answer, Now now);
    void close_destination(core::DestinationState state, Range until);
    void probe_failed(const Answer& answer, Now now);
    void answer_token(Token& token, const Answer& answer, const Head& head, Now now);
    void token_failed(Token& token, const Answer& answer, Now now);
    void token_probe_failed(Token& token, const Answer& answer, Now now);
    void note_ask(Token& token, const core::Judgement& judgement, Milliseconds asked, bool removed,
                  Now now);
    Range after_failed_probe(Token& token, Now now) const;
    static void count_failure(const core::BackoffOptions& options, unsigned& failures);
    bool is_alone(std::size_t token, bool others_queued, Now now) const;
    void throttle(Token& token, std::optional<Milliseconds> asked, bool current, Now now);
    std::optional<Milliseconds> named_time(const core::AttemptResult& result) const;
    Milliseconds time_of_event(const core::AttemptResult& result) const;
    bool lane_waits(const core::Judgement& judgement, const Token& token, const Head& head) const;
    Range after_backoff(const core::BackoffOptions& options, unsigned failures, Now now) const;
    void check_told(Door& door, const std::string& whose, bool same_state,
                    std::optional<MonoTime> until, Now now);
    bool reopen(Door& door, bool gone, Now now);
    Head& head_of(Seq seq, const Lane& lane);

    std::size_t last_stranger_ = nobody;  // stands for tokens that were forgotten
    core::SchedulerOptions options_;
    Milliseconds cap_;
    Complain complain_;
    Destination destination_;
    std::map<std::size_t, Token> tokens_;
    std::map<Lane, Head> heads_;
    std::map<std::size_t, MonoTime> good_at_;  // time of each token's last success
    // Time of the last refusal because of the rate, if it was that.
    std::optional<MonoTime> refused_at_;
    std::uint64_t asked_ = 0;
    std::uint64_t remembered_ = 0;
};

}  // namespace flowrelay::test
