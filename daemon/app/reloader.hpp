// Puts a new configuration in force while the daemon runs: all of it, or nothing.
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
    /// What a configuration is given to. `config` is the one in force; limits of an ingest session
    /// and what status shows are read from it when they are needed.
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

    /// The parts, `log` and `clock` outlive the reloader.
    Reloader(std::string file, Parts parts, Log& log, const Clock& clock);

    /// Reads the file and the tokens, checks them, then changes everything that can be changed
    /// without a restart. The service manager sees it begin and end, and the log has what came of
    /// it. Calls `done` later, when the registry has what changed, or could not take it. A request
    /// for a plan is answered with plan().
    void reload(const runtime::ReloadRequest& request, runtime::ReloadDone done);

    /// Says what reload() would do with the file as it is. Reads the file and its tokens, and
    /// changes nothing. Whether certificates can be used is said by `config check` and reload().
    runtime::ReloadResult plan(const runtime::ReloadRequest& request) const;

    /// Reads the token files of parked sources again, and takes new tokens over as a reload would.
    /// Changes nothing else. Takes none over while the token of any source can't be read, and says
    /// so when it is not for a moment only. To be called every few seconds: so a renewed file
    /// counts before the token is probed.
    void renew_parked_tokens();

private:
    bool is_renewed(const SourceConfig& source);
    /// Why the new tokens of parked sources are not used, by the name of the source.
    using Problems = std::map<std::string, std::string>;
    void tell_unusable(const Problems& problems);
    /// What was changed of the sources. The registry has to be given `entries` before anything
    /// else that changes it.
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
    Problems unusable_;       ///< when they were last looked at
    Problems told_unusable_;  ///< of these
};

}  // namespace flowrelay::app
