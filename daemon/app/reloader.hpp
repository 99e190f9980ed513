// Puts a new configuration in force while the daemon runs: as a whole, or not at all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/logging.hpp"
#include "flowrelay/app/systemd.hpp"
#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/delivery.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/reload_result.hpp"
#include "flowrelay/runtime/server.hpp"
#include "stats_reporter.hpp"

namespace flowrelay::app {

/// I/O thread only.
class Reloader {
public:
    /// The parts that a reload updates. `config` is the configuration in force; ingest limits and
    /// status are read from it when needed.
    struct Parts {
        Config& config;
        runtime::Engine& engine;
        runtime::Delivery& delivery;
        runtime::Server& ingest;
        StatsReporter& stats;
        runtime::ControlContext& control;
        LeveledLog& output;
        storage::FileSystem& file_system;
        ServiceNotifier& notifier;
    };

    /// `parts`, `log` and `clock` outlive the reloader.
    Reloader(std::string file, Parts parts, Log& log, const Clock& clock);

    /// Reads and checks the file and the tokens, then changes everything that can be changed
    /// without a restart. Notifies the service manager of start and end, and logs the result. Calls
    /// `done` later, once the changes are in the registry or could not be written. Answers a
    /// request for a plan with plan().
    void reload(const runtime::ReloadRequest& request, runtime::ReloadDone done);

    /// Returns what reload() would do now. Reads the file and its tokens, and changes nothing. Does
    /// not check certificates; `config check` and reload() do.
    runtime::ReloadResult plan(const runtime::ReloadRequest& request) const;

    /// Reads the token files of parked sources again, and applies new tokens as a reload would.
    /// Changes nothing else. Applies none while the token of any source can't be read, and logs
    /// that if it persists. Call it every few seconds, so that a new token is in use before the old
    /// one is probed.
    void renew_parked_tokens();

private:
    bool is_renewed(const SourceConfig& source);
    /// Why the new tokens of parked sources are not used, by source name.
    using Problems = std::map<std::string, std::string>;
    void tell_unusable(const Problems& problems);
    /// The changes to the sources. `entries` must be written to the registry before any other
    /// change of it.
    struct SourcesChanged {
        std::vector<std::string> names;
        std::vector<core::TokenEntry> entries;
    };
    runtime::ReloadResult try_reload(const runtime::ReloadRequest& request,
                                     std::vector<core::TokenEntry>& entries);
    bool would_destroy(const Config& wanted, const runtime::ReloadRequest& request,
                       runtime::ReloadResult& result) const;
    void note_consequences(const Config& wanted, runtime::ReloadResult& result) const;
    SourcesChanged configure_sources(const Config& before,
                                     std::vector<core::ConfiguredSource> sources);
    void tell(const runtime::ReloadResult& result);

    std::string file_;
    Parts parts_;
    Log& log_;
    const Clock& clock_;
    Problems unusable_;       ///< found by the last check
    Problems told_unusable_;  ///< those already logged
};

}  // namespace flowrelay::app
