#include "watchdog.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <utility>

#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::app {
namespace asio = boost::asio;

Watchdog::Watchdog(asio::any_io_executor io, const runtime::StorageThread& storage,
                   ServiceNotifier& notifier)
    : io_(io), storage_(storage), notifier_(notifier), timer_(io) {}

void Watchdog::start() {
    const auto limit = notifier_.watchdog_interval();
    if (limit) runtime::spawn(io_, feed(*limit / 4));
}

void Watchdog::stop() {
    stopping_ = true;
    timer_.cancel();
}

asio::awaitable<void> Watchdog::feed(Milliseconds interval) {
    auto before = storage_.progress();
    while (!stopping_) {
        timer_.expires_after(interval);
        co_await timer_.async_wait(asio::as_tuple(asio::deferred));
        const auto now = storage_.progress();
        if (now.idle || now.passes != before.passes) notifier_.watchdog();
        before = now;
    }
}

}  // namespace flowrelay::app
