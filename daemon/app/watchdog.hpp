// Notifies systemd's watchdog while both threads make progress. It runs on the I/O thread, so it
// stops if that thread hangs, and checks the storage thread before each notification.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "flowrelay/app/systemd.hpp"
#include "flowrelay/runtime/storage_thread.hpp"

namespace flowrelay::app {

class Watchdog {
public:
    /// Does nothing if systemd sets no watchdog. The references outlive this object.
    Watchdog(boost::asio::any_io_executor io, const runtime::StorageThread& storage,
             ServiceNotifier& notifier);
    void start();
    void stop();

private:
    boost::asio::awaitable<void> feed(Milliseconds interval);

    boost::asio::any_io_executor io_;
    const runtime::StorageThread& storage_;
    ServiceNotifier& notifier_;
    boost::asio::steady_timer timer_;
    bool stopping_ = false;
};

}  // namespace flowrelay::app
