// Every interval one relay.stats line, and the line that `systemctl status` shows.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "flowrelay/app/systemd.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::app {

class StatsReporter {
public:
    /// `interval` zero: no lines, and what systemd shows stays as it was at the start. The
    /// references outlive the reporter.
    StatsReporter(boost::asio::any_io_executor io, runtime::Engine& engine,
                  ServiceNotifier& notifier, Log& log, Milliseconds interval);
    void start();
    void stop();

private:
    boost::asio::awaitable<void> report();
    void write(const runtime::StorageMailbox::Snapshot& snapshot);
    void tell_systemd(const runtime::StorageMailbox::Snapshot& snapshot);

    boost::asio::any_io_executor io_;
    runtime::Engine& engine_;
    ServiceNotifier& notifier_;
    Log& log_;
    Milliseconds interval_;
    boost::asio::steady_timer timer_;
    core::RelayCounters before_;
    bool stopping_ = false;
};

}  // namespace flowrelay::app
