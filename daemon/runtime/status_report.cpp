#include "status_report.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cmath>

namespace flowrelay::runtime {
namespace {

namespace json = boost::json;

/// Returns the whole seconds from `now` to `until`, at least 0.
std::int64_t seconds_until(MonoTime until, MonoTime now) {
    return std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::seconds>(until - now).count());
}

json::object destination_of(const core::Relay& relay, const core::Scheduler::Status& status,
                            const ControlContext& context, MonoTime now) {
    json::object destination{{"base_url", context.base_url},
                             {"state", core::to_string(status.destination)},
                             {"connections", context.connections()}};
    if (status.destination_until) {
        destination["until_s"] = seconds_until(*status.destination_until, now);
    }
    if (!relay.reporting().destination_reason().empty())
        destination["reason"] = relay.reporting().destination_reason();
    return destination;
}

std::int64_t whole_seconds(Milliseconds duration) {
    return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

json::object describe(const core::Relay& relay, const core::Token& token, Now at) {
    const MonoTime now = at.mono;
    const TokenId id = token.entry.id;
    const auto status = relay.destination().scheduler().token_status(id);
    json::object entry{{"name", token.label()},
                       {"state", token_state(token, status)},
                       {"queued", relay.lifecycle().queued(id)}};
    const auto until = std::max(status.until, status.probe_by);
    if (until) entry["until_s"] = seconds_until(*until, now);
    if (relay.admission().at_quota(id)) entry["full"] = true;
    add_erasure(entry, relay, token, at.wall);
    auto reason = relay.lifecycle().token_reason(id);
    if (!reason.empty()) entry["reason"] = std::move(reason);
    return entry;
}

// Limits the time in which deliveries wait for the report: producers that send their own tokens may
// have sent a hundred thousand. Sources come first; GET /v1/sources has all tokens.
constexpr std::size_t max_tokens = 1000;

void add_tokens(json::object& report, const core::Relay& relay, Now now) {
    const auto& all = relay.tokens().all();
    json::array tokens;
    for (const bool sources : {true, false}) {
        for (const auto& [id, token] : all) {
            if (tokens.size() == max_tokens) break;
            if (token.entry.source.empty() == sources) continue;
            tokens.push_back(describe(relay, token, now));
        }
    }
    if (tokens.size() < all.size()) report["tokens_left_out"] = all.size() - tokens.size();
    report["tokens"] = std::move(tokens);
}

std::string_view to_string(core::DrainEstimate::State state) noexcept {
    using State = core::DrainEstimate::State;
    switch (state) {
        case State::empty:
            return "empty";
        case State::held:
            return "held";
        case State::unknown:
            return "unknown";
        case State::never:
            return "never";
        case State::drains:
            return "drains";
    }
    return "unknown";
}

/// Returns the number of events whose token, in the report, is not being delivered.
std::uint64_t stuck_events(const json::array& tokens) {
    std::uint64_t stuck = 0;
    for (const json::value& token : tokens) {
        const std::string_view state = token.at("state").as_string();
        if (state != "active" && state != "throttled")
            stuck += token.at("queued").to_number<std::uint64_t>();
    }
    return stuck;
}

/// Call it after add_tokens().
void add_rates(json::object& report, const Engine& engine, const core::Scheduler::Status& status) {
    const core::Relay& relay = engine.relay();
    const auto rates = engine.throughput().rates();
    if (!rates.empty()) {
        const core::Rates& longest = rates.back();
        report["rates"] = json::object{{"accepted_per_s", longest.accepted},
                                       {"left_per_s", longest.left},
                                       {"over_s", std::lround(in_seconds(longest.over))}};
    }
    const bool held =
        relay.destination().deliveries_held() || status.destination != core::DestinationState::up;
    const core::Backlog backlog{relay.destination().queued(),
                                stuck_events(report["tokens"].as_array()), held};
    const auto estimate = core::estimate_drain(backlog, rates);
    json::object drained{{"state", to_string(estimate.state)}, {"stuck", backlog.stuck}};
    if (estimate.state == core::DrainEstimate::State::drains) {
        drained["from_s"] = estimate.from.count();
        if (estimate.to) drained["to_s"] = estimate.to->count();
    }
    report["drained"] = std::move(drained);
}

}  // namespace

std::string_view token_state(const core::Token& token, const core::Scheduler::TokenStatus& status) {
    switch (token.entry.state) {
        case core::TokenEntry::State::gone:
            return "gone";
        case core::TokenEntry::State::erased:
            return "erased";
        case core::TokenEntry::State::removed:
        case core::TokenEntry::State::forgotten:
            return "removed";
        case core::TokenEntry::State::paused:
            return "paused";
        case core::TokenEntry::State::active:
            break;
    }
    if (token.unknown) return "unknown";
    if (token.missing()) return "missing";
    return core::to_string(status.state);
}

void add_erasure(json::object& entry, const core::Relay& relay, const core::Token& token,
                 WallTime now) {
    if (token.entry.state == core::TokenEntry::State::erased ||
        token.entry.state == core::TokenEntry::State::forgotten) {
        entry["erased_at"] = format_time(token.entry.since);
    }
    if (auto why = relay.lifecycle().erasure_waits(token.entry.id); !why.empty()) {
        entry["erasure_waits"] = std::move(why);
        return;
    }
    if (token.entry.state != core::TokenEntry::State::gone) return;
    entry["erase_at"] = format_time(token.entry.erase_at);
    entry["erase_in_s"] = std::max<std::int64_t>(0, whole_seconds(token.entry.erase_at - now));
}

std::uint64_t spool_capacity(const StorageMailbox::Snapshot& snapshot,
                             const ControlContext& context) {
    return std::min(context.spool_max_bytes, snapshot.usage.disk_bytes + context.available_bytes());
}

std::optional<storage::RefusingBecause> refusing(const core::Relay& relay,
                                                 const StorageMailbox::Snapshot& snapshot) {
    // A stopping daemon still serves its producers.
    if (!relay.admission().accepting()) {
        return storage::RefusingBecause{"stopping", "flowrelayd is stopping"};
    }
    if (snapshot.refusing || !snapshot.failed) return snapshot.refusing;
    return storage::RefusingBecause{"storage_failed",
                                    "the disk failed: nothing more is accepted until flowrelayd "
                                    "is restarted"};
}

std::string status_report(Engine& engine, const StorageMailbox::Snapshot& snapshot,
                          const ControlContext& context) {
    const Now now = engine.clock().now();
    const core::Relay& relay = engine.relay();
    const auto status = relay.destination().scheduler().status();
    const auto& ledger = snapshot.ledger;
    const auto& counters = relay.counters();
    const std::string_view state = snapshot.failed      ? "storage_failed"
                                   : context.stopping() ? "stopping"
                                                        : "running";
    json::object report{
        {"version", context.version},
        {"state", state},
        {"uptime_s",
         std::chrono::duration_cast<std::chrono::seconds>(now.mono - context.started).count()},
        {"accepted", ledger.accepted},
        {"delivered", ledger.delivered},
        {"queued", snapshot.usage.events},
        {"dead", ledger.dead},
        {"expired", ledger.expired},
        {"erased", ledger.erased},
        {"dropped", ledger.dropped},
        {"lost", ledger.lost},
        {"unaccounted", ledger.unaccounted(snapshot.usage.events)},
        {"in_flight", status.in_flight},
        {"lanes", status.lanes},
        {"waiting_lanes", status.waiting_lanes},
        {"held_lanes", status.held_lanes},
        {"dead_letters", snapshot.dead_letters},
        {"dead_letters_replayed", snapshot.replayed},
        {"dead_letters_missing", snapshot.missing_letters},
        {"dead_letters_bytes", relay.letters().room().usage().bytes},
        {"dead_letters_full", relay.letters().room().is_store_full()},
        {"dead_letters_unwritten", relay.letters().unwritten()},
        {"spool_bytes", snapshot.usage.disk_bytes},
        {"spool_used_bytes", snapshot.usage.disk_bytes - snapshot.usage.unused_bytes},
        {"spool_max_bytes", context.spool_max_bytes},
        {"spool_capacity_bytes", spool_capacity(snapshot, context)},
        {"max_age_s", whole_seconds(relay.options().scheduler.max_age)},
        {"spool_available_bytes", context.available_bytes()},
        {"since_start", json::object{{"accepted_events", counters.accepted_events},
                                     {"accepted_copies", counters.accepted},
                                     {"attempts", counters.attempts},
                                     {"retried", counters.retried},
                                     {"ambiguous", counters.ambiguous},
                                     {"duplicates", counters.duplicates},
                                     {"filtered", counters.filtered},
                                     {"rejected", counters.rejected},
                                     {"dead", counters.dead},
                                     {"dropped_by_age", counters.dropped_by_age},
                                     {"dropped_by_operator", counters.dropped_by_operator}}},
    };
    if (snapshot.last_loss) {
        report["lost_booked"] = json::object{{"at", format_time(snapshot.last_loss->at)},
                                             {"uid", snapshot.last_loss->uid}};
    }
    const auto refusal = refusing(relay, snapshot);
    report["accepting"] = !refusal;
    if (refusal) {
        report["refusal"] = json::object{{"code", refusal->code}, {"reason", refusal->reason}};
    }
    report["deliveries_held"] = relay.destination().deliveries_held();
    if (status.queued > 0) {
        report["oldest_age_s"] = std::max<std::int64_t>(
            0, std::chrono::duration_cast<std::chrono::seconds>(now.wall - status.oldest).count());
    }
    report["destination"] = destination_of(relay, status, context, now.mono);
    add_tokens(report, relay, now);
    add_rates(report, engine, status);
    return json::serialize(report);
}

}  // namespace flowrelay::runtime
