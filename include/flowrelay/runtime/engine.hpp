// Carries out the decisions of core::Relay, through the storage thread.
// Sessions submit to it, delivery workers take their work from it. I/O thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/core/throughput.hpp"
#include "flowrelay/runtime/ingest_budget.hpp"
#include "flowrelay/runtime/metrics.hpp"
#include "flowrelay/runtime/storage_mailbox.hpp"

namespace flowrelay::runtime {

/// What a producer is told of one event.
struct Answer {
    std::string id;  ///< of the accepted event
    bool duplicate = false;
    bool filtered = false;  ///< not stored: no filter of its source and routes lets it pass
    std::optional<core::Rejection> rejection;  ///< set: not accepted

    bool accepted() const noexcept { return !rejection.has_value(); }
};

struct EngineOptions {
    std::uint64_t ingest_budget = 6ULL << 20;       ///< bytes submitted and not yet durable
    std::uint64_t ingest_reserve = 2ULL << 20;      ///< beside it, for events out of turn
    std::uint64_t unfinished_budget = 16ULL << 20;  ///< bytes of what has only come in part
    std::uint64_t unread_budget = 32ULL << 20;      ///< bytes of answers that nobody has read yet
    std::uint64_t cache_size = 8ULL << 20;          ///< bytes of events kept for their delivery
    std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>();
};

class Engine {
public:
    using Answered = std::function<void(const Answer&)>;

    /// All references outlive the engine.
    Engine(boost::asio::any_io_executor io, core::Relay& relay, StorageMailbox& storage,
           const Clock& clock, EngineOptions options = {});

    /// Called when an operator asks for a source.
    void set_check_listener(std::function<void()> listener) { on_check_ = std::move(listener); }

    /// Called when there may be work for deliveries or when the next wake-up may have moved.
    void set_work_listener(std::function<void()> listener) { on_work_ = std::move(listener); }

    // ---- for sessions

    /// Hands an event in. `answered` runs once: after the commit, or at once if it is refused.
    /// `now`: when it came; one look at the clock will do for all that came together.
    void submit(core::Submission submission, Answered answered, Now now,
                const core::Submitter& by = {});

    /// Returns the answer to what is refused before it is an event; counts and logs it.
    Answer refuse(core::Rejection rejection, const core::Submitter& by);

    // Who has much to hand in takes turns: the bytes that wait for their commit are bounded, and so
    // is the time that the I/O thread spends with one producer while others have something to say.

    /// Events that a turn has while others wait for theirs.
    static constexpr unsigned events_of_turn = 64;

    /// Whether the next event of a turn may be handed in; `left`: events that the turn still has.
    bool may_go_on(unsigned left) const noexcept { return left > 0 && has_room(); }
    /// Whether an event may be handed in out of turn: the first that was read after a silence, so
    /// that who has little to say does not wait for those who have much.
    bool may_begin() const noexcept {
        return pending_bytes_ < options_.ingest_budget + options_.ingest_reserve;
    }
    /// Events that may follow such a one at once.
    unsigned rest_of_turn() const noexcept { return waiting_.empty() ? events_of_turn : 0; }
    /// Waits for a turn, in the order of those who wait. Between two turns the I/O thread does what
    /// else there is.
    boost::asio::awaitable<void> wait_for_turn();

    /// The memory of what producers have begun to send.
    IngestBudget& unfinished() noexcept { return unfinished_; }
    /// The memory of answers that producers have not read, and of those that are to come.
    IngestBudget& unread() noexcept { return unread_; }

    /// A producer has let `bytes` of answers lie for a minute.
    void note_unread(const core::Submitter& by, std::uint64_t bytes) {
        relay_.admission().note_unread(by, bytes);
    }

    /// Events handed in that are not answered yet.
    std::size_t unanswered() const noexcept { return unanswered_; }

    // ---- for deliveries

    // `now` is one look at the clock for what happens together.

    std::optional<core::Assignment> next(Now now);

    /// The event of an assignment if it is in memory; otherwise it has to be read.
    std::optional<core::EventRecord> take_cached(Seq seq);
    boost::asio::awaitable<Result<core::EventRecord>> read(Seq seq);

    /// What is to be posted for an assignment, once its event is there. Nothing when it is not
    /// to be posted after all (the token is gone, the event can't be read): then the assignment has
    /// ended.
    struct Outgoing {
        core::EventRecord record;
        Secret token;
    };
    std::optional<Outgoing> prepare(const core::Assignment& assignment,
                                    Result<core::EventRecord>&& event);

    void attempted(const core::Assignment& assignment, core::EventRecord&& record,
                   const core::AttemptResult& result, Now now);

    /// Whether the request of an assignment may be written now; see Delivery::may_be_sent.
    bool may_be_sent(const core::Assignment& assignment) const {
        return relay_.delivery().may_be_sent(assignment);
    }

    bool may_be_sent(const core::ProblemReport& report) const {
        return relay_.reporting().flow().may_be_sent(report);
    }

    /// The request was not written, or not once more (`sent`), since it might not any longer.
    /// `record`: if it is at hand.
    void withdraw(const core::Assignment& assignment, std::optional<core::EventRecord> record,
                  bool sent);

    /// The attempt was not made.
    void release(const core::Assignment& assignment);

    /// What is to be said of a source in its flow, if anything; end_report() or release_report()
    /// has to follow.
    struct OutgoingReport {
        core::ProblemReport report;
        Secret token;
    };
    std::optional<OutgoingReport> next_report();
    void end_report(const core::ProblemReport& report, const core::AttemptResult& result);
    void release_report(const core::ProblemReport& report) {
        relay_.reporting().flow().release_report(report);
    }

    /// A source that the server is asked for, if any; end_check() or release_check() has to follow.
    /// What an operator asks for goes first.
    struct OutgoingCheck {
        core::SourceCheck check;
        Secret token;
    };
    std::optional<OutgoingCheck> next_check();
    void end_check(const core::SourceCheck& check, const core::AttemptResult& result,
                   bool has_source);
    void release_check(const core::SourceCheck& check);
    bool may_be_sent(const core::SourceCheck& check) const {
        return relay_.reporting().liveness().may_be_sent(check);
    }

    /// Puts entries of slots into the registry; what it does not take is tried again in a while.
    /// `saved`, if given, is told how the first try has ended.
    void save(std::vector<core::TokenEntry> entries, StorageMailbox::Done saved = {});

    /// What time brings: expiry, erasures. To be called once at the start as well.
    void tick();

    /// The next time after `looked_at` at which there may be something to do; `looked_at`: when
    /// next() last had nothing.
    std::optional<MonoTime> next_wakeup(Now looked_at) const;

    // ---- for operators

    /// Something was changed in the relay: there may be work, and bodies that nobody needs.
    void wake();

    /// Bytes of events that are kept in memory for their delivery.
    std::uint64_t cached_bytes() const noexcept { return cached_bytes_; }

    /// Notes how much has come and gone. To be called once a second.
    void note_throughput() {
        throughput_.note(clock_.now().mono, relay_.counters().accepted,
                         relay_.destination().queued());
    }
    const core::Throughput& throughput() const noexcept { return throughput_; }
    const Metrics& metrics() const noexcept { return *options_.metrics; }
    /// Only one change at a time that begins with a look at the disk: what it saw has to hold.
    /// False: another is under way.
    bool begin_change() noexcept { return !std::exchange(changing_, true); }
    void end_change() noexcept { changing_ = false; }

    /// A queued event by its id, if it happens to be in memory. Looks through all that is.
    std::optional<Seq> find_in_memory(std::string_view id) const;

    /// The queued events with one of these ids that happen to be in memory, in one pass.
    std::vector<std::pair<std::string, Seq>> find_in_memory(
        const std::set<std::string, std::less<>>& ids) const;

    /// Whether a user may begin a search through all that is stored: of one user only a few run at
    /// a time, and of all users not many. end_search() has to follow.
    bool begin_search(std::uint32_t uid);
    void end_search(std::uint32_t uid);

    /// What is known of a source once the server was asked for it.
    struct CheckAnswer {
        std::optional<core::Refusal> refusal;  ///< it was not asked for
        core::SourceLife life = core::SourceLife::unanswered;
        int status = 0;
        std::string reason;
    };
    using Checked = std::function<void(const CheckAnswer&)>;
    /// Asks the server for a source; `checked` runs once.
    void check_source(TokenId token, Checked checked);
    /// The daemon stops: who waits for check_source() is told so.
    void stop_checks();

    /// Dead letters are delivered after all, in their old places. Gives how many there were.
    void replay(std::vector<Seq> letters, std::function<void(Result<std::uint64_t>)> done);

    core::Relay& relay() noexcept { return relay_; }
    const core::Relay& relay() const noexcept { return relay_; }
    StorageMailbox& storage() noexcept { return storage_; }
    const Clock& clock() const noexcept { return clock_; }

private:
    struct Copies;
    void append(core::Admission::Append&& append, MonoTime handed_in, Answered answered);
    void append(core::Admission::Copies&& copies, MonoTime handed_in, Answered answered);
    void appended(core::EventRecord&& record, const Result<Seq>& result);
    void copy_appended(core::EventRecord&& record, const Result<Seq>& result, MonoTime handed_in);
    bool committed(const core::EventRecord& record, Seq seq, MonoTime handed_in);
    core::Rejection failed(const core::EventRecord& record, const Error& error);
    void answer_if_settled(const Copies& event);
    core::Rejection unconfirmed();
    void confirm(core::Admission::Duplicate duplicate, Answered answered);
    void carry_out(core::Effects effects);
    void unreadable(const core::Assignment& assignment, const Error& error);
    void erase(std::vector<TokenId> tokens);
    void count_left(const std::vector<TokenId>& tokens);
    void forget_secrets(const std::vector<TokenId>& tokens, const StorageMailbox::Erased& erased);
    void keep(Seq seq, core::EventRecord&& record);
    void keep_if_queued(Seq seq, core::EventRecord&& record);
    void forget_bodies_of_gone();
    bool has_room() const noexcept { return pending_bytes_ < options_.ingest_budget; }
    void give_turn_soon();
    void forget_unused_tokens();
    void erase_unused(std::vector<TokenId> slots);
    void load();
    void loaded(const core::LoadRequest& request, StorageMailbox::Loaded loaded);
    void work_appeared();

    boost::asio::any_io_executor io_;
    core::Relay& relay_;
    StorageMailbox& storage_;
    const Clock& clock_;
    EngineOptions options_;
    std::function<void()> on_work_;
    std::function<void()> on_check_;
    struct AskedCheck {
        TokenId token;
        Checked checked;
    };
    std::deque<AskedCheck> asked_checks_;
    Checked checking_;  ///< who asked for the one under way; may be nobody
    bool checks_stopped_ = false;

    /// An event that waits for its commit. They are answered in the order in which they came.
    struct Uncommitted {
        std::uint64_t bytes;
        MonoTime handed_in;
        Answered answered;  ///< empty: a copy of the first of copies_
    };
    std::deque<Uncommitted> uncommitted_;
    /// An event of which several copies have to be committed or confirmed: it is answered once.
    struct Copies {
        std::size_t uncommitted = 0;
        bool confirming = false;
        std::optional<core::Producer> producer;
        Answer answer;
        Answered answered;
    };
    std::deque<std::shared_ptr<Copies>> copies_;  ///< those with uncommitted copies
    IngestBudget unfinished_{options_.unfinished_budget};
    IngestBudget unread_{options_.unread_budget};
    std::uint64_t pending_bytes_ = 0;
    std::size_t unanswered_ = 0;
    std::list<boost::asio::steady_timer> waiting_;  ///< for their turns, in their order
    bool turn_posted_ = false;
    core::Throughput throughput_;
    bool work_posted_ = false;
    MonoTime committed_at_{};  ///< of the events that became durable together
    bool changing_ = false;
    std::map<std::uint32_t, unsigned> searches_;  ///< under way, by user

    std::unordered_map<std::uint64_t, core::EventRecord> cache_;
    std::uint64_t cached_bytes_ = 0;
    std::uint64_t loading_bytes_ = 0;  ///< of records that may come with loads under way
};

}  // namespace flowrelay::runtime
