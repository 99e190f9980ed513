#include "stats_reporter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <chrono>
#include <string>
#include <utility>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::app {
namespace asio = boost::asio;
namespace ev = core::log_events;

constexpr auto interval_without_lines = Seconds(60);

StatsReporter::StatsReporter(asio::any_io_executor io, runtime::Engine& engine,
                             ServiceNotifier& notifier, core::SummingLog& log,
                             Milliseconds interval)
    : io_(io), engine_(engine), notifier_(notifier), log_(log), interval_(interval), timer_(io) {}

void StatsReporter::start() {
    engine_.storage().snapshot([this](const auto& snapshot) { tell_systemd(snapshot); });
    runtime::spawn(io_, report());
}

void StatsReporter::set_interval(Milliseconds interval) {
    if (interval == interval_) return;
    interval_ = interval;
    timer_.cancel();
}

void StatsReporter::stop() {
    stopping_ = true;
    timer_.cancel();
}

asio::awaitable<void> StatsReporter::report() {
    while (!stopping_) {
        timer_.expires_after(interval_ > Milliseconds(0) ? interval_ : interval_without_lines);
        const auto [cancelled] = co_await timer_.async_wait(asio::as_tuple(asio::deferred));
        if (stopping_) break;
        if (cancelled) continue;  // the interval was changed
        log_.flush();
        engine_.storage().snapshot([this](const runtime::StorageMailbox::Snapshot& snapshot) {
            if (stopping_) return;
            if (interval_ > Milliseconds(0)) write(snapshot);
            remind(snapshot);
            tell_systemd(snapshot);
        });
    }
}

void StatsReporter::write(const runtime::StorageMailbox::Snapshot& snapshot) {
    const Now now = engine_.clock().now();
    const auto& counters = engine_.relay().counters();
    const auto status = engine_.relay().destination().scheduler().status();
    const auto destination = core::to_string(status.destination);
    const auto oldest =
        status.queued == 0 ? Milliseconds(0) : std::max(Milliseconds(0), now.wall - status.oldest);
    log_.write(ev::relay_stats,
               {{"queued", snapshot.usage.events},
                {"oldest_age", format_duration(oldest)},
                {"accepted", counters.accepted - before_.accepted},
                {"delivered", counters.delivered - before_.delivered},
                {"retried", counters.retried - before_.retried},
                {"dead", counters.dead - before_.dead},
                {"rejected", counters.rejected - before_.rejected},
                {"in_flight", status.in_flight},
                {"waiting_lanes", status.waiting_lanes},
                {"dead_letters", snapshot.dead_letters},
                {"spool_bytes", snapshot.usage.disk_bytes},
                {"destination", destination},
                {"unaccounted", snapshot.ledger.unaccounted(snapshot.usage.events)}});
    before_ = counters;
}

/// Repeats the line while events are refused. The storage thread writes the first one.
void StatsReporter::remind(const runtime::StorageMailbox::Snapshot& snapshot) {
    if (!refusing_.due(snapshot.refusing.has_value(), engine_.clock().now().mono)) return;
    const bool failed = snapshot.refusing->code == "storage_failed";
    log_.write(failed ? ev::spool_failed : ev::spool_full, {{"reason", snapshot.refusing->reason}});
}

void StatsReporter::tell_systemd(const runtime::StorageMailbox::Snapshot& snapshot) {
    const core::Relay& relay = engine_.relay();
    const auto status = relay.destination().scheduler().status();
    std::string text = fmt::format("{} queued", snapshot.usage.events);
    if (status.queued > 0) {
        const auto age = engine_.clock().now().wall - status.oldest;
        text +=
            fmt::format(" (the oldest for {})", format_duration(std::max(age, Milliseconds(0))));
    }
    text += fmt::format(", {} delivered, destination {}", snapshot.ledger.delivered,
                        core::to_string(status.destination));
    if (!relay.reporting().destination_reason().empty())
        text += ": " + relay.reporting().destination_reason();
    if (snapshot.refusing) text += "; NO EVENTS ARE ACCEPTED: " + snapshot.refusing->reason;
    notifier_.status(text);
}

}  // namespace flowrelay::app
