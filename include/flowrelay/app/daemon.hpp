// flowrelayd: puts the parts together, runs them, takes them apart again.
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
    /// Opens the spool, recovers it, opens the sockets. `config` was read from `config_file`, which
    /// is read again by SIGHUP and the control socket. `passed_sockets` take the place of the
    /// configured Unix sockets, by their names (daemon/app/passed_sockets.hpp); the daemon owns
    /// them. `log` and `clock` outlive the daemon. Throws std::runtime_error, or ConfigError for a
    /// source whose token can't be read, with a message for the operator.
    Daemon(Config config, std::string config_file, const std::vector<PassedSocket>& passed_sockets,
           ServiceNotifier notifier, LeveledLog& log, const Clock& clock);
    ~Daemon();

    /// Runs until SIGTERM or SIGINT, then stops in good order: requests in flight are finished
    /// while producers are still served, then the sockets are closed and everything is synced. Not
    /// more than once.
    void run();

    /// After run(): a look-up of a name still runs. It can't be interrupted, and the destructor
    /// waits for it, which may take as long as the name server is silent.
    bool is_looking_up() const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::app
