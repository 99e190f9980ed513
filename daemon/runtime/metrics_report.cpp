// The metrics by family. docs/metrics.md describes them; a test compares the two.
#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/metrics.hpp"
#include "process_usage.hpp"
#include "status_report.hpp"

namespace flowrelay::runtime {

namespace {

using core::MetricsText;
using Type = core::MetricsText::Type;

// Limits the load on the monitoring system: further sources are reported together.
constexpr std::size_t max_sources = 50;

void add_books(MetricsText& out, const StorageMailbox::Snapshot& snapshot) {
    const core::Ledger& ledger = snapshot.ledger;
    out.family("flowrelay_accepted_events", Type::counter, "events",
               "Events accepted since the spool was made.");
    out.sample(ledger.accepted);
    out.family("flowrelay_settled_events", Type::counter, "events",
               "Events that have left for good since the spool was made, by what became of them.");
    out.sample(ledger.delivered, {{"outcome", "delivered"}});
    out.sample(ledger.erased, {{"outcome", "erased"}});
    out.sample(ledger.dropped, {{"outcome", "dropped"}});
    out.family("flowrelay_dead_events", Type::gauge, "events",
               "Events that died and are kept, those that are being replayed included.");
    out.sample(ledger.dead, {{"outcome", "dead"}});
    out.sample(ledger.expired, {{"outcome", "expired"}});
    out.family("flowrelay_lost_events", Type::gauge, "events",
               "Events that operators have booked as lost since the spool was made.");
    out.sample(ledger.lost);
    out.family("flowrelay_unaccounted_events", Type::gauge, "events",
               "Accepted events that are neither queued nor settled; anything but 0 is a bug or a "
               "damaged spool.");
    out.sample(ledger.unaccounted(snapshot.usage.events));
}

void add_letters(MetricsText& out, const core::Relay& relay,
                 const StorageMailbox::Snapshot& snapshot) {
    const core::LetterRoom& room = relay.letters().room();
    const core::RelayCounters& counters = relay.counters();
    out.family(
        "flowrelay_deaths", Type::counter, "",
        "Events that became dead letters since the start, each replay that failed included.");
    out.sample(counters.dead - counters.expired, {{"outcome", "dead"}});
    out.sample(counters.expired, {{"outcome", "expired"}});
    out.family("flowrelay_dropped_events", Type::counter, "events",
               "Events dropped since the start: dead letters over dead_letters.max_age, and events "
               "and dead letters that operators dropped.");
    out.sample(counters.dropped_by_age, {{"by", "age"}});
    out.sample(counters.dropped_by_operator, {{"by", "operator"}});
    out.family("flowrelay_dead_letters", Type::gauge, "",
               "Events kept as dead letters that are not being replayed.");
    out.sample(snapshot.dead_letters);
    out.family("flowrelay_replayed_dead_letters", Type::gauge, "",
               "Dead letters that wait for their delivery again.");
    out.sample(snapshot.replayed);
    out.family("flowrelay_missing_dead_letters", Type::gauge, "",
               "Dead letters that the books have and their file has not: it was lost or damaged.");
    out.sample(snapshot.missing_letters);
    out.family("flowrelay_dead_letters_limit", Type::gauge, "", "dead_letters.max_events.");
    out.sample(room.limits().max_events);
    out.family("flowrelay_dead_letters_size_bytes", Type::gauge, "bytes",
               "Bytes of the dead letters that are not being replayed.");
    out.sample(room.usage().bytes);
    out.family("flowrelay_dead_letters_limit_bytes", Type::gauge, "bytes",
               "dead_letters.max_bytes.");
    out.sample(room.limits().max_bytes);
    out.family("flowrelay_dead_letters_full", Type::gauge, "",
               "1 while the dead letters have no room: refused events hold their threads, and "
               "nothing expires.");
    out.sample(std::uint64_t{room.is_store_full() ? 1U : 0U});
    out.family("flowrelay_threads_held_by_dead_letters", Type::gauge, "",
               "Threads whose event was refused while the dead letters had no room.");
    out.sample(std::uint64_t{relay.letters().held_threads()});
}

void add_queue(MetricsText& out, const core::Relay& relay, const StorageMailbox::Snapshot& snapshot,
               const ControlContext& context, Now now) {
    const auto status = relay.destination().scheduler().status();
    out.family("flowrelay_queued_events", Type::gauge, "events", "Events that wait for delivery.");
    out.sample(snapshot.usage.events);
    const auto oldest = status.queued == 0 ? Milliseconds(0) : now.wall - status.oldest;
    out.family("flowrelay_oldest_event_age_seconds", Type::gauge, "seconds",
               "How long the oldest queued event has waited; 0 when none is queued.");
    out.sample(std::max(0.0, in_seconds(oldest)));
    out.family("flowrelay_spool_size_bytes", Type::gauge, "bytes",
               "Disk space of the spool, whatever is in it.");
    out.sample(snapshot.usage.disk_bytes);
    out.family("flowrelay_spool_limit_bytes", Type::gauge, "bytes", "spool.max_size.");
    out.sample(context.spool_max_bytes);
    out.family("flowrelay_spool_used_bytes", Type::gauge, "bytes",
               "Bytes of the spool that are written to: the rest of its files is reserved.");
    out.sample(snapshot.usage.disk_bytes - snapshot.usage.unused_bytes);
    out.family("flowrelay_spool_capacity_bytes", Type::gauge, "bytes",
               "What the spool may grow to: spool.max_size, or what its disk has if that is less.");
    out.sample(spool_capacity(snapshot, context));
    out.family("flowrelay_max_age_seconds", Type::gauge, "seconds",
               "retry.max_age: older events become dead letters.");
    out.sample(in_seconds(relay.options().scheduler.max_age));
    out.family("flowrelay_spool_available_bytes", Type::gauge, "bytes",
               "What is free on the file system of the spool.");
    out.sample(context.available_bytes());
    out.family("flowrelay_accepting", Type::gauge, "",
               "1 when new events are accepted, 0 when all are refused.");
    out.sample(std::uint64_t{refusing(relay, snapshot) ? 0U : 1U});
    out.family("flowrelay_storage_failed", Type::gauge, "",
               "1 when a write or sync has failed: nothing is accepted until a restart.");
    out.sample(std::uint64_t{snapshot.failed ? 1U : 0U});
    out.family("flowrelay_active_lanes", Type::gauge, "",
               "Threads with events in memory: ready, waiting after a failure, or held for an "
               "operator.");
    const std::uint64_t ready = status.lanes - status.waiting_lanes - status.held_lanes;
    out.sample(ready, {{"state", "ready"}});
    out.sample(std::uint64_t{status.waiting_lanes}, {{"state", "waiting"}});
    out.sample(std::uint64_t{status.held_lanes}, {{"state", "held"}});
}

void add_tokens(MetricsText& out, const core::Relay& relay) {
    std::map<std::string_view, std::uint64_t> states{
        {"active", 0},  {"throttled", 0}, {"parked", 0}, {"failing", 0}, {"paused", 0},
        {"missing", 0}, {"unknown", 0},   {"gone", 0},   {"erased", 0},  {"removed", 0}};
    auto events = states;
    std::vector<std::pair<std::uint64_t, std::string>> sources;
    std::uint64_t others = 0;
    std::uint64_t full = 0;
    for (const auto& [id, token] : relay.tokens().all()) {
        const std::string_view state =
            token_state(token, relay.destination().scheduler().token_status(id));
        const auto queued = relay.lifecycle().queued(id);
        ++states[state];
        events[state] += queued;
        if (relay.admission().at_quota(id)) ++full;
        if (token.is_source()) {
            sources.emplace_back(queued, token.entry.source);
        } else {
            others += queued;
        }
    }
    out.family("flowrelay_tokens", Type::gauge, "", "Tokens by their state.");
    for (const auto& [name, count] : states) out.sample(count, {{"state", name}});
    out.family("flowrelay_token_queued_events", Type::gauge, "events",
               "Queued events by the state of their token.");
    for (const auto& [name, count] : events) out.sample(count, {{"state", name}});
    out.family("flowrelay_full_tokens", Type::gauge, "",
               "Tokens whose events are refused: spool.max_events_per_token is reached.");
    out.sample(full);
    const auto kept = std::min(sources.size(), max_sources);
    std::ranges::partial_sort(sources, sources.begin() + static_cast<std::ptrdiff_t>(kept),
                              std::greater());
    out.family("flowrelay_source_queued_events", Type::gauge, "events",
               "Queued events by source, of those with the most; source=\"\" is all the rest.");
    for (std::size_t i = 0; i < sources.size(); ++i) {
        if (i < kept) {
            out.sample(sources[i].first, {{"source", sources[i].second}});
        } else {
            others += sources[i].first;
        }
    }
    out.sample(others, {{"source", ""}});
}

void add_destination(MetricsText& out, const core::Relay& relay, const ControlContext& context) {
    const auto status = relay.destination().scheduler().status();
    out.family("flowrelay_destination_state", Type::stateset, "",
               "Whether the destination takes events; see docs/operations.md.");
    for (const auto state : {core::DestinationState::up, core::DestinationState::held,
                             core::DestinationState::parked, core::DestinationState::down}) {
        out.sample(std::uint64_t{status.destination == state ? 1U : 0U},
                   {{"flowrelay_destination_state", core::to_string(state)}});
    }
    out.family("flowrelay_destination_connections", Type::gauge, "connections",
               "Open connections to the destination.");
    out.sample(std::uint64_t{context.connections()});
    out.family("flowrelay_requests_in_flight", Type::gauge, "", "Requests without an answer yet.");
    out.sample(std::uint64_t{status.in_flight});
    out.family("flowrelay_requests_in_flight_limit", Type::gauge, "",
               "How many there may be; adapts to what the destination can take.");
    out.sample(std::uint64_t{status.allowance});
}

void add_deliveries(MetricsText& out, const core::RelayCounters& counters, const Metrics& metrics) {
    out.family("flowrelay_requests", Type::counter, "requests",
               "Requests made since the start, by how they ended.");
    constexpr std::array<std::string_view, 6> classes{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (std::size_t i = 2; i < classes.size(); ++i) {
        out.sample(metrics.answers.at(i), {{"result", classes.at(i)}});
    }
    for (std::size_t i = 1; i < metrics.failures.size(); ++i) {
        out.sample(metrics.failures.at(i),
                   {{"result", core::to_string(static_cast<core::AttemptEnd>(i))}});
    }
    out.family("flowrelay_retried_requests", Type::counter, "requests",
               "Requests since the start after which the event has to be sent again.");
    out.sample(counters.retried);
    out.family("flowrelay_ambiguous_requests", Type::counter, "requests",
               "Of these: written, but not answered, so that the event may arrive twice.");
    out.sample(counters.ambiguous);
    out.family("flowrelay_request_duration_seconds", Type::histogram, "seconds",
               "From the first byte of a request to the last of its answer.");
    out.sample(metrics.request_duration);
    out.family("flowrelay_delivery_latency_seconds", Type::histogram, "seconds",
               "From an event accepted to the same event delivered.");
    out.sample(metrics.delivery_latency);
}

void add_ingest(MetricsText& out, const core::RelayCounters& counters, const Metrics& metrics,
                const ControlContext& context) {
    out.family("flowrelay_stored_events", Type::counter, "events",
               "Events accepted and stored since the start, each counted once however many routes "
               "its source has.");
    out.sample(counters.accepted_events);
    out.family("flowrelay_stored_copies", Type::counter, "copies",
               "Copies of these since the start: one for each route that an event goes to.");
    out.sample(counters.accepted);
    out.family("flowrelay_rejected_events", Type::counter, "events",
               "Events refused since the start, by the code that their producers got.");
    for (std::size_t i = 0; i < metrics.rejected.size(); ++i) {
        out.sample(metrics.rejected.at(i),
                   {{"code", core::to_string(static_cast<core::RejectCode>(i))}});
    }
    out.family("flowrelay_duplicate_events", Type::counter, "events",
               "Events since the start that had been handed in before.");
    out.sample(counters.duplicates);
    out.family("flowrelay_filtered_events", Type::counter, "events",
               "Events since the start that the filters of their sources did not let pass.");
    out.sample(counters.filtered);
    out.family("flowrelay_producer_events", Type::counter, "events",
               "Events accepted since the start, by the user and the systemd unit that handed them "
               "in.");
    for (const auto& count : metrics.producers.counts()) {
        out.sample(count.events, {{"uid", count.uid}, {"unit", count.unit}});
    }
    out.family("flowrelay_ingest_connections", Type::gauge, "connections",
               "Open connections of producers.");
    out.sample(std::uint64_t{context.ingest_connections ? context.ingest_connections() : 0});
    out.family("flowrelay_commit_latency_seconds", Type::histogram, "seconds",
               "From an event handed in to the same event safe on disk.");
    out.sample(metrics.commit_latency);
    out.family("flowrelay_commit_duration_seconds", Type::histogram, "seconds",
               "One write and sync of the log.");
    out.sample(metrics.commit_duration);
    out.family("flowrelay_commit_size_events", Type::histogram, "events",
               "Events that became durable with one sync.");
    out.sample(metrics.commit_events);
}

void add_process(MetricsText& out, const Engine& engine, const ControlContext& context, Now now) {
    out.family("flowrelay_deliveries_held", Type::gauge, "",
               "1 while nothing is posted because the spool came from another machine.");
    out.sample(std::uint64_t{engine.relay().destination().deliveries_held() ? 1U : 0U});
    out.family("flowrelay_build", Type::info, "", "The version that runs.");
    out.sample(std::uint64_t{1}, {{"version", context.version}});
    out.family("flowrelay_uptime_seconds", Type::gauge, "seconds", "Time since the start.");
    out.sample(in_seconds(now.mono - context.started));
    out.family("flowrelay_reload_failed", Type::gauge, "",
               "1 when the last reload was refused: an older configuration is in force.");
    out.sample(std::uint64_t{context.reload_failed ? 1U : 0U});
    out.family("flowrelay_client_certificate_expires_in_seconds", Type::gauge, "seconds",
               "Until destination.client_certificate expires, negative afterwards; +Inf without "
               "one.");
    out.sample(context.certificate_expires ? in_seconds(*context.certificate_expires - now.wall)
                                           : std::numeric_limits<double>::infinity());
    const ProcessUsage usage = process_usage();
    out.family("process_cpu_seconds", Type::counter, "seconds", "Processor time of the daemon.");
    out.sample(usage.cpu_seconds);
    out.family("process_resident_memory_bytes", Type::gauge, "bytes", "Resident memory.");
    out.sample(usage.resident_bytes);
    out.family("process_open_fds", Type::gauge, "", "Open file descriptors.");
    out.sample(usage.open_fds);
    out.family("process_max_fds", Type::gauge, "", "The limit of file descriptors.");
    out.sample(usage.max_fds);
}

}  // namespace

std::string metrics_report(MetricsText::Format format, Engine& engine,
                           const StorageMailbox::Snapshot& snapshot,
                           const ControlContext& context) {
    const Now now = engine.clock().now();
    const core::Relay& relay = engine.relay();
    MetricsText out(format);
    add_books(out, snapshot);
    add_letters(out, relay, snapshot);
    add_queue(out, relay, snapshot, context, now);
    add_tokens(out, relay);
    add_destination(out, relay, context);
    add_deliveries(out, relay.counters(), engine.metrics());
    add_ingest(out, relay.counters(), engine.metrics(), context);
    add_process(out, engine, context, now);
    return out.take();
}

MetricsText::Format metrics_format(std::string_view accept) noexcept {
    return accept.find("application/openmetrics-text") != std::string_view::npos
               ? MetricsText::Format::openmetrics
               : MetricsText::Format::prometheus;
}

std::string_view metrics_content_type(MetricsText::Format format) noexcept {
    return format == MetricsText::Format::openmetrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace flowrelay::runtime
