// When the relay may ask the server again: what docs/protocol.md says of Retry-After, of refusals
// and of outages, as a second opinion. It is told whose turn it is, what the server answered and
// what operators want, and says which turn comes too early and where the relay says something else
// of a wait than follows from the answers.
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

/// What is longer ago than this is on the disk, unless the disk is in trouble.
inline constexpr Milliseconds durable_after{2000};

class Waits {
public:
    using Lane = std::pair<std::size_t, std::string>;  ///< token and thread
    using Complain = std::function<void(std::string)>;

    Waits(core::SchedulerOptions options, Milliseconds cap, Complain complain);

    // ---- attempts

    /// Its turn has come.
    void began(Seq seq, const Lane& lane, Now now);
    /// It was not made since it would not have held any longer, or its answer was to a former token
    /// or destination.
    void withdrawn(Seq seq, const Lane& lane);
    /// It was not made, or given up without an answer.
    void cancelled(Seq seq, const Lane& lane, Now now);
    struct Situation {
        bool removed = false;        ///< its token has gone meanwhile
        bool others_queued = false;  ///< of other tokens something is queued in memory
        bool of_all = false;         ///< others were refused like it
    };
    void answered(Seq seq, const Lane& lane, const core::AttemptResult& result, Situation situation,
                  Now now);

    // ---- operators

    /// One wants an event of the lane tried now. `under_way`: one of the lane is.
    void hurried(const Lane& lane, bool under_way, Now now);
    /// The next probe of the destination is wanted now.
    void hurried_destination(Now now);
    void resumed(std::size_t token);
    /// An event left its lane before its turn.
    void dropped(Seq seq, const Lane& lane);
    /// It had left, perhaps when it was too old, and is back.
    void replayed(Seq seq, const Lane& lane);
    /// A 410, or another token: nothing that was said of the token before holds.
    void removed(std::size_t token);
    /// Events go somewhere else: nothing that was said before holds.
    void redirected();

    // ---- processes

    /// `unsafe`: what it wrote may not have reached the disk.
    void process_ended(Now now, bool unsafe);
    void process_started(const std::set<std::size_t>& gone, Now now);

    // ---- what the relay says, which is to be what follows from the answers. From then on a wait
    // of a random length has that length.

    void told(const core::Scheduler::Status& status, Now now);
    void told(std::size_t token, const core::Scheduler::TokenStatus& status, Now now);
    /// Whether a lane may wait until then.
    bool may_wait(const Lane& lane, MonoTime until) const;

    // ---- views

    bool destination_closed() const { return destination_.closed; }
    /// The destination is to be left alone, but not by this token: it may show that it is well.
    bool admits_early(std::size_t token) const;
    /// An attempt is under way whose end says something about the destination, or the token.
    bool destination_is_tried() const { return !destination_.inside.empty(); }
    bool token_is_tried(std::size_t token) const;

    /// Whether the server may lately have refused something for going too fast.
    bool may_be_paced(Now now) const;
    /// No pace makes anything wait longer.
    static constexpr Seconds longest_pace{30};

    /// Times that were named, and how many of them a later process had to remember.
    std::uint64_t asked() const noexcept { return asked_; }
    std::uint64_t remembered() const noexcept { return remembered_; }

private:
    // A time that the server has named.
    struct Ask {
        WallTime at;
        Milliseconds wait{0};
        WallTime until;
        bool is_old = false;   // of a process that has ended
        bool is_safe = false;  // on the disk
        bool is_over = false;  // whatever the disk says: an operator or a 410 has ended it
    };
    /// The bad answers since the last good one, by kind.
    struct Evidence {
        enum Kind { no_connection, no_answer, server_error, asked_to_wait, wrong_url, none };
        struct Row {
            unsigned answers = 0;
            std::set<Lane> lanes;
        };
        std::map<Kind, Row> rows;
        std::set<std::size_t> tokens;
        bool maybe = false;  // the relay may know less

        void note(Kind kind, const Lane& lane);
        void answered();
        bool is_wide(Kind kind, const core::SchedulerOptions& options) const;
    };
    static Evidence::Kind kind_of(const core::Judgement& judgement);

    /// Of a destination that was held, until an answer came.
    static constexpr std::size_t first_allowance = 2;

    struct Door {
        bool closed = false;
        bool unsure = false;  // the relay knows better
        // While closed, the next probe.
        MonoTime earliest = MonoTime::min();
        MonoTime latest = MonoTime::min();
        std::set<Seq> inside;  // what began since it was last closed: only their ends count
        std::vector<Ask> asks;

        void close(MonoTime from, MonoTime to);
        void extend(MonoTime until);
        void end_soon(MonoTime now);
        void hurry(MonoTime now);
    };
    struct Destination : Door {
        core::DestinationState state = core::DestinationState::up;
        Evidence evidence;
        std::set<Lane> outage;  ///< of which a probe has shown that a server is there, but not well
        std::set<std::size_t> suspects;  ///< tokens that have shown the outage
        bool may_be_theirs = false;      ///< and of no others, so that others may be tried
        bool suspects_unsure = false;
        unsigned probes_failed = 0;
        std::size_t allowance = 0;           // at most so many at a time
        MonoTime good_at = MonoTime::min();  // when it was last answered well
    };
    struct Token : Door {
        core::TokenState state = core::TokenState::active;
        unsigned throttled_in_a_row = 0;
        unsigned probes_failed = 0;
        Evidence evidence;
        bool perhaps_parked = false;  // and paused, so that nobody says it
    };
    void park(Token& token, Now now);
    // What is known of a lane is about the event whose turn it is.
    struct Head {
        Seq seq = Seq::none;
        unsigned failures = 0;
        bool blamed_token = false;
        bool blamed_destination = false;
        bool unsure = false;  // it may have been forgotten
        MonoTime earliest = MonoTime::min();
        MonoTime latest = MonoTime::min();
    };
    using Range = std::pair<MonoTime, MonoTime>;

    void begin(Door& door, const std::string& whose, std::size_t allowance, std::size_t token,
               Seq seq, Now now);
    struct Answer {
        core::Judgement judgement;
        Evidence::Kind kind = Evidence::none;
        std::optional<Milliseconds> asked;
        bool current = false;  // begun since it was last closed
        Lane lane;
        bool blamed_url = false;
        bool unsure = false;  // whether it was blamed
        bool token_waits = false;
        bool alone = false;
        bool limits = false;  // it may be the answer of a limit that was passed
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

    core::SchedulerOptions options_;
    Milliseconds cap_;
    Complain complain_;
    Destination destination_;
    std::map<std::size_t, Token> tokens_;
    std::map<Lane, Head> heads_;
    std::map<std::size_t, MonoTime> good_at_;  // when a token was last answered well
    std::optional<MonoTime> refused_at_;       // for going too fast, if it was that
    std::uint64_t asked_ = 0;
    std::uint64_t remembered_ = 0;
};

}  // namespace flowrelay::test
