// At every interval, logs relay.stats and suppressed log lines, and updates the line of `systemctl
// status`.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "flowrelay/app/systemd.hpp"
#include "flowrelay/core/reminder.hpp"
#include "flowrelay/core/summing_log.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::app {

class StatsReporter {
public:
    /// If `interval` is zero, there are no relay.stats lines, and the rest happens every minute.
    /// The references outlive the reporter.
    StatsReporter(boost::asio::any_io_executor io, runtime::Engine& engine,
                  ServiceNotifier& notifier, core::SummingLog& log, Milliseconds interval);
    void start();
    void stop();
    /// Changes the interval.
    void set_interval(Milliseconds interval);

private:
    boost::asio::awaitable<void> report();
    void write(const runtime::StorageMailbox::Snapshot& snapshot);
    void remind(const runtime::StorageMailbox::Snapshot& snapshot);
    void tell_systemd(const runtime::StorageMailbox::Snapshot& snapshot);

    boost::asio::any_io_executor io_;
    runtime::Engine& engine_;
    ServiceNotifier& notifier_;
    core::SummingLog& log_;
    Milliseconds interval_;
    boost::asio::steady_timer timer_;
    core::RelayCounters before_;
    core::Reminder refusing_;
    bool stopping_ = false;
};

}  // namespace flowrelay::app
