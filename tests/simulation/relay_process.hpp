// One process of the relay, from start to end: the real core::Relay, engine and spool, with virtual
// time, a simulated disk and a simulated server.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agenda.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/storage_mailbox.hpp"
#include "flowrelay/runtime/storage_work.hpp"
#include "flowrelay/storage/spool.hpp"
#include "model.hpp"
#include "server.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::test {

/// What all processes of one simulation share.
struct Surroundings {
    Agenda& agenda;
    SimFileSystem& fs;
    Server& server;
    Setup& setup;
    Model& model;
    Log& log;
};

struct ProcessOptions {
    core::RelayOptions relay;
    runtime::EngineOptions engine;
    storage::LogOptions log;
    std::size_t connections = 4;
    double source_rate = 0;
    bool holding = false;  ///< some sources hold rejected events
    bool reporting = false;
    Milliseconds storage_delay{20};  ///< maximum duration of a disk operation
};

/// Replaces the storage thread: carries out its mail after a short delay.
class SimStorage final : public runtime::StorageMailbox {
public:
    SimStorage(std::unique_ptr<storage::Spool> spool, const Surroundings& around, Random random,
               Milliseconds delay, std::function<void()> ran);

    /// Carries out all mail now, and runs the completions.
    void finish();

    bool failed() const { return work_.spool().failed(); }
    bool idle() const { return !scheduled_ && mail_.empty() && completions_.empty(); }
    storage::Spool& spool() const noexcept { return work_.spool(); }

private:
    void mail_came(bool first, bool can_wait) override;
    void schedule(Milliseconds delay);
    void work();
    void watch(Mail& mail);
    void complete();

    runtime::StorageWork work_;
    Surroundings around_;
    Random random_;
    Milliseconds delay_;
    std::function<void()> ran_;
    std::optional<MonoTime> scheduled_;
    runtime::StorageWork::Completions completions_;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

class RelayProcess {
public:
    /// Starts the process. May throw SimCrash.
    RelayProcess(const Surroundings& around, const ProcessOptions& options, std::uint64_t seed);
    ~RelayProcess();

    /// Submits the event `json`, which has these copies in the model.
    void submit(const std::string& json, const std::vector<std::uint64_t>& copies);

    // ---- operators (operators.cpp, source_operators.cpp). The operations continue after the call
    // returns.

    /// Replays dead letters.
    void replay(std::vector<Seq> letters);
    void drop_letters(std::vector<Seq> letters);
    void drop(std::vector<Seq> events);
    void retry(Seq event);
    void pause(std::size_t slot);
    void resume(std::size_t slot);
    /// Enables the slot after a 410; the server restores the token.
    void enable(std::size_t slot);
    void add_source(const std::string& name, std::size_t token);
    void rotate_source(std::size_t slot, std::size_t token);
    void remove_source(std::size_t slot);
    void filter_source(std::size_t slot, unsigned filter);
    /// Has the configuration read again.
    void reload();
    /// Reloads a configuration with other limits.
    void set_letter_limits(const core::DeadLetterLimits& limits);

    /// Lets the relay notice a step of the wall clock.
    void look_at_clock();

    /// Ends the process as SIGTERM does. May throw SimCrash.
    void stop();

    /// Returns whether no operation is in progress.
    bool idle() const;
    /// Returns whether the disk has failed, so that nothing more becomes durable.
    bool failed() const { return storage_->failed(); }

    core::Relay& relay() noexcept { return *relay_; }
    storage::Spool& spool() const noexcept { return storage_->spool(); }

private:
    using Call = boost::asio::awaitable<void>;

    void turn();
    void tell();
    std::vector<core::ConfiguredSource> sources() const;
    void pump();
    void report();
    void check();
    void run(Call call);
    Call drop_each(std::vector<Seq> events);
    Call drop_each_letter(std::vector<Seq> letters);
    Call set_paused(std::size_t slot, bool paused);
    Call take_410_back(std::size_t slot);
    Call add(std::string name, std::size_t token);
    Call rotate(std::size_t slot, std::size_t token);
    Call remove(std::size_t slot);
    Call set_filter(std::size_t slot, unsigned filter);
    Fingerprint print_of(std::size_t token);
    void bind_slots();
    void look_for_forgotten();
    void check_sources();
    void answered(const std::vector<Model::Copy>& copies, const runtime::Answer& answer);
    void note_taken(std::uint64_t number);
    void ended(const core::Assignment& assignment);
    std::optional<MonoTime> can_run_from(const Model::Head& head) const;
    bool could_run(const Model::Head& head) const;
    void check_causes() const;
    void check_length(const Model::Head& head, const core::Scheduler::WaitReason& why) const;
    void check_fairness(TokenId whose_turn);
    void arm();
    void save_clock_regularly();
    void save_clock();
    void begin(const core::Assignment& assignment);
    void post(const core::Assignment& assignment, Result<core::EventRecord> fetched);
    void connected(const core::Assignment& assignment, const runtime::Engine::Outgoing& outgoing);
    void answered(const core::Assignment& assignment, const core::EventRecord& record,
                  std::uint64_t number, Server::Reply reply);
    void write(const core::Assignment& assignment, const runtime::Engine::Outgoing& outgoing);

    Surroundings around_;
    ProcessOptions options_;
    boost::asio::io_context io_{1};
    std::optional<core::Relay> relay_;
    std::unique_ptr<SimStorage> storage_;
    std::optional<runtime::Engine> engine_;
    std::uint64_t stored_ = 0;  ///< events that were answered as stored
    std::size_t busy_ = 0;
    bool reporting_ = false;                      ///< a report is in progress
    bool checking_ = false;                       ///< a source check is in progress
    std::size_t calls_ = 0;                       ///< operators' calls in progress
    bool dropping_ = false;                       ///< one of the calls is a drop
    std::map<TokenId, std::size_t> passed_over_;  ///< how often since its last turn
    std::map<std::size_t, Fingerprint> prints_;
    bool stopping_ = false;
    std::optional<MonoTime> wakeup_;
    std::map<Seq, core::Assignment> connecting_;
    std::map<std::uint64_t, core::Assignment> under_way_;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

/// Returns the contents of the disk as a starting process finds them.
Model::Found look(storage::Spool& spool, const Setup& setup);

/// Returns whether the source holds rejected events, if any source does.
bool holds_what_is_rejected(const std::string& name);

/// Returns the registry's state of each slot (source_operators.cpp).
std::vector<Slots::Found> slots_on(const storage::Spool& spool, const Setup& setup);

/// Returns the number in the body of an event.
std::uint64_t number_of(const core::EventRecord& record);

}  // namespace flowrelay::test
