// flowrelayd: creates its parts, runs them and shuts them down.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/logging.hpp"
#include "flowrelay/app/systemd.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::app {

class Daemon {
public:
    /// Opens the spool, recovers it, and opens the sockets. `config` was read from `config_file`,
    /// which a reload (SIGHUP, control socket) reads again. `passed_sockets` replace the configured
    /// Unix sockets, by their names (daemon/app/passed_sockets.hpp); the daemon takes ownership of
    /// them. `log` and `clock` outlive the daemon. Throws std::runtime_error, or ConfigError for a
    /// source whose token can't be read, with a message for the operator.
    Daemon(Config config, std::string config_file, const std::vector<PassedSocket>& passed_sockets,
           ServiceNotifier notifier, LeveledLog& log, const Clock& clock);
    ~Daemon();

    /// Runs until SIGTERM or SIGINT, then drains: finishes requests in flight while producers are
    /// still served, closes the sockets and syncs everything. Call it only once.
    void run();

    /// Returns whether, after run(), a name look-up is still running. It can't be interrupted, and
    /// the destructor waits for it, for as long as the name server does not answer.
    bool is_looking_up() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::app
