// One simulation from a seed: producers, failures of server and disk, crashes, and a final phase in
// which all failures end and every event must be settled.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agenda.hpp"
#include "flowrelay/base/random.hpp"
#include "model.hpp"
#include "relay_process.hpp"
#include "server.hpp"
#include "support/sim_file_system.hpp"

namespace flowrelay::test {

/// Counts log lines, checks that none contains a secret, and prints them if tracing is on.
class SimLog final : public Log {
public:
    SimLog(const Agenda& agenda, Model& model, bool trace)
        : agenda_(agenda), model_(model), trace_(trace) {}
    using Log::write;
    bool enabled(Severity) const noexcept override { return trace_; }
    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override;
    void say(const std::string& what) const;
    /// Calls `what`, which must not throw, whenever the line is written.
    void listen(std::string_view name, std::function<void()> what) {
        listeners_[name] = std::move(what);
    }

    std::map<std::string_view, std::uint64_t> lines;

private:
    const Agenda& agenda_;
    Model& model_;
    bool trace_;
    std::map<std::string_view, std::function<void()>> listeners_;
};

class World {
public:
    World(std::uint64_t seed, bool trace);
    ~World();

    /// Runs the simulation. model().violations() has what was wrong.
    void live();

    const Model& model() const noexcept { return model_; }
    const SimLog& log() const noexcept { return log_; }
    Now now() const { return agenda_.now(); }
    unsigned crashes() const noexcept { return crashes_; }

private:
    static ProcessOptions choose_options(Random& random);
    void start();
    void crash();
    void run_until(MonoTime end);
    void hand_in(const std::optional<Model::Address>& to = std::nullopt);
    void hand_in_again(Model::HandedIn event);
    void hand_in(const Model::HandedIn& event);
    void trouble();
    void storm();
    Milliseconds some_step();
    void set_wall_clock();
    void replay();
    void operate();
    void retry_what_is_under_way();
    void enable_what_is_gone();

    // ---- names and tokens (world_changes.cpp)

    std::vector<std::size_t> slots_there_are() const;
    std::optional<std::size_t> some_slot();
    std::size_t some_token();
    std::vector<std::string> source_names() const;
    Model::Address some_address();
    std::optional<Model::Address> address_of(std::size_t slot);
    std::string some_name();
    std::optional<std::string> some_source();
    std::size_t token_to_use();
    void change_setup();
    void edit_configuration();
    void filter_in_setup(const std::string& source);
    void put_back();
    void move_names();
    void change_a_source();
    void load_setup();
    void give_all_a_source();

    void watch_erasures();
    void watch_waits();
    template <class T>
    T one_of(const std::vector<T>& list) {
        return list[random_.below(list.size())];
    }
    std::vector<Seq> some_of(const std::vector<Seq>& all, double chance);
    void settle_everything();
    void restart();
    void decide_everything();
    void hand_in_the_last();
    void check_reports();
    void check_erased();

    Random random_;
    Agenda agenda_;
    SimFileSystem fs_;
    Server server_;
    ProcessOptions options_;
    Setup setup_;
    Model model_;
    SimLog log_;
    Surroundings around_{agenda_, fs_, server_, setup_, model_, log_};
    std::unique_ptr<RelayProcess> process_;
    std::vector<std::size_t> direct_;  ///< tokens that producers use directly
    Setup::Sources out_;               ///< sources removed from the configuration
    std::uint64_t last_number_ = 0;
    std::vector<std::pair<MonoTime, Model::HandedIn>> with_uuid_;
    std::uint64_t ids_failed_ = 0;
    unsigned crashes_ = 0;
    bool healed_ = false;
};

}  // namespace flowrelay::test
