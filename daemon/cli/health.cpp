#include "cli/health.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <vector>

#include "cli/json_members.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

/// Collects problems. The worst determines the result and is listed first.
class Verdicts {
public:
    void add(Health health, std::string text) {
        if (health > worst_) {
            problems_.insert(problems_.begin(), std::move(text));
        } else {
            problems_.push_back(std::move(text));
        }
        worst_ = std::max(worst_, health);
    }

    Health worst() const { return worst_; }
    const std::vector<std::string>& problems() const { return problems_; }

private:
    Health worst_ = Health::ok;
    std::vector<std::string> problems_;
};

void look_at_spool(const json::object& status, const HealthLimits& limits, Verdicts& verdicts) {
    // Older daemons report neither the used part of the files nor the free disk space.
    const double files = number_of(status, "spool_bytes").value_or(0);
    const double limit = number_of(status, "spool_max_bytes").value_or(0);
    const double used = number_of(status, "spool_used_bytes").value_or(files);
    const double most = number_of(status, "spool_capacity_bytes").value_or(limit);
    if (most <= 0) return;
    const double percent = used / most * 100;
    if (percent < std::min(limits.warn_spool, limits.crit_spool)) return;
    verdicts.add(percent >= limits.crit_spool ? Health::critical : Health::warning,
                 fmt::format("the spool is {:.0f}% full", percent));
}

void look_at_acceptance(const json::object& status, Verdicts& verdicts) {
    const std::string state = text_of(status, "state");
    const json::object* refusal = object_of(status, "refusal");
    const bool is_stopping = state == "stopping";
    if (state != "running" && state != "storage_failed") {
        verdicts.add(Health::warning, fmt::format("flowrelayd is {}", state));
    }
    if (refusal != nullptr && !(is_stopping && text_of(*refusal, "code") == "stopping")) {
        verdicts.add(Health::critical,
                     fmt::format("no events are accepted: {}", text_of(*refusal, "reason")));
    } else if (state == "storage_failed") {
        verdicts.add(Health::critical, "the disk failed, nothing is accepted until a restart");
    }
}

bool is_true(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && value->is_bool() && value->get_bool();
}

void look_at_destination(const json::object& status, Verdicts& verdicts) {
    const json::object* destination = object_of(status, "destination");
    if (destination == nullptr) return;
    const std::string state = text_of(*destination, "state");
    if (state == "up") return;
    std::string text = fmt::format("the destination is {}", state);
    const std::string reason = text_of(*destination, "reason");
    if (!reason.empty()) text += ": " + reason;
    verdicts.add(state == "parked" ? Health::critical : Health::warning, std::move(text));
}

/// "a, b and 3 others"
std::string some_of(std::vector<std::string> names) {
    constexpr std::size_t shown = 5;
    const std::size_t count = names.size();
    names.resize(std::min(count, shown));
    std::string text = fmt::format("{}", fmt::join(names, ", "));
    if (count > shown) text += " and " + app::counted(count - shown, "other");
    return text;
}

void look_at_tokens(const json::object& status, Verdicts& verdicts) {
    const json::array* tokens = array_of(status, "tokens");
    if (tokens == nullptr) return;
    std::vector<std::string> parked;
    std::vector<std::string> full;
    std::vector<std::string> gone;
    std::vector<std::string> missing;
    std::vector<std::string> unknown;
    double doomed = 0;
    for (const json::value& item : *tokens) {
        if (!item.is_object()) continue;
        const auto& token = item.get_object();
        const std::string name = text_of(token, "name");
        const std::string state = text_of(token, "state");
        const double queued = number_of(token, "queued").value_or(0);
        if (state == "parked") parked.push_back(name);
        if (state == "missing" && queued > 0) missing.push_back(name);
        if (state == "unknown") unknown.push_back(name);
        if (state == "gone") {
            const auto left = number_of(token, "erase_in_s");
            const std::string waits = text_of(token, "erasure_waits");
            gone.push_back(!waits.empty() ? fmt::format("{} (the erasure waits: {})", name, waits)
                           : left ? fmt::format("{} (erased in {})", name, format_seconds(*left))
                                  : name);
            doomed += queued;
        }
        if (is_true(token, "full")) full.push_back(name);
    }
    if (!parked.empty()) {
        verdicts.add(Health::warning,
                     "the destination refuses the token of " + some_of(std::move(parked)));
    }
    if (!gone.empty()) {
        std::string text =
            "the destination has removed (410) the token of " + some_of(std::move(gone));
        if (doomed > 0) text += fmt::format(", and {:.0f} queued with it", doomed);
        verdicts.add(Health::warning, std::move(text));
    }
    if (!missing.empty()) {
        verdicts.add(Health::warning, "events wait for a source that is not configured: " +
                                          some_of(std::move(missing)));
    }
    if (!unknown.empty()) {
        verdicts.add(Health::warning,
                     "the registry of tokens does not know the token of stored events: " +
                         some_of(std::move(unknown)));
    }
    if (!full.empty()) {
        verdicts.add(Health::warning,
                     "spool.max_events_per_token is reached by " + some_of(std::move(full)));
    }
}

std::string performance(const json::object& status, const HealthLimits& limits) {
    return fmt::format(
        "queued={} oldest_age={:.0f}s;{:.0f};{:.0f};0 delivered={}c dead={}c dead_letters={} "
        "unaccounted={};0;0 spool={}B;;;0;{}",
        count_of(status, "queued"), number_of(status, "oldest_age_s").value_or(0),
        in_seconds(limits.warn_age), in_seconds(limits.crit_age), count_of(status, "delivered"),
        count_of(status, "dead"), count_of(status, "dead_letters"), count_of(status, "unaccounted"),
        count_of(status, "spool_bytes"), count_of(status, "spool_max_bytes"));
}

}  // namespace

HealthReport judge_no_answer(const Error& error) {
    namespace errc = boost::system::errc;
    const bool unknown = error.code == errc::permission_denied ||
                         error.code == errc::operation_not_permitted ||
                         error.code == errc::protocol_error || error.code == errc::bad_message ||
                         error.code == errc::invalid_argument;
    HealthReport report;
    report.health = unknown ? Health::unknown : Health::critical;
    report.line = fmt::format("FLOWRELAY {} - {}", unknown ? "UNKNOWN" : "CRITICAL", error.message);
    return report;
}

HealthReport judge_health(const json::object& status, const HealthLimits& limits) {
    Verdicts verdicts;
    look_at_acceptance(status, verdicts);
    const double unaccounted = number_of(status, "unaccounted").value_or(0);
    if (unaccounted != 0) {
        verdicts.add(Health::critical, fmt::format("{} {} unaccounted for",
                                                   counted_of(status, "unaccounted", "event"),
                                                   unaccounted == 1 ? "is" : "are"));
    }
    // Missing if nothing is queued, so nothing waits.
    const auto age = number_of(status, "oldest_age_s");
    if (age && *age >= in_seconds(std::min(limits.warn_age, limits.crit_age))) {
        verdicts.add(*age >= in_seconds(limits.crit_age) ? Health::critical : Health::warning,
                     fmt::format("the oldest event waits for {}", format_seconds(*age)));
    }
    if (is_true(status, "deliveries_held")) {
        verdicts.add(Health::critical,
                     "the spool came from another machine, nothing is posted: `flowrelay spool "
                     "adopt`");
    }
    look_at_destination(status, verdicts);
    look_at_tokens(status, verdicts);
    const double held = number_of(status, "held_lanes").value_or(0);
    if (held > 0) {
        verdicts.add(Health::warning, fmt::format("{:.0f} {} held for an operator", held,
                                                  held == 1 ? "thread is" : "threads are"));
    }
    if (is_true(status, "dead_letters_full")) {
        verdicts.add(Health::critical,
                     "the dead letters are full, and threads wait for room: `dead drop` or `dead "
                     "replay`, or raise dead_letters.max_events or max_bytes");
    }
    look_at_spool(status, limits, verdicts);
    const double dead = number_of(status, "dead_letters").value_or(0);
    if (limits.warn_dead > 0 && dead >= static_cast<double>(limits.warn_dead)) {
        verdicts.add(Health::warning, counted_of(status, "dead_letters", "dead letter"));
    }
    const double lost = number_of(status, "dead_letters_missing").value_or(0);
    if (lost > 0) {
        verdicts.add(Health::critical,
                     fmt::format("{} {} not in their file: put dead-letters back from a copy, or "
                                 "write them off with `flowrelay spool book-lost`",
                                 counted_of(status, "dead_letters_missing", "dead letter"),
                                 lost == 1 ? "is" : "are"));
    }
    HealthReport report;
    report.health = verdicts.worst();
    const char* word = report.health == Health::ok        ? "OK"
                       : report.health == Health::warning ? "WARNING"
                                                          : "CRITICAL";
    std::string text = fmt::format("{}", fmt::join(verdicts.problems(), "; "));
    if (text.empty()) {
        text = fmt::format("{} queued, {} delivered", count_of(status, "queued"),
                           count_of(status, "delivered"));
    }
    // "|" separates the performance data.
    std::ranges::replace(text, '|', '/');
    report.line = fmt::format("FLOWRELAY {} - {} | {}", word, text, performance(status, limits));
    return report;
}

}  // namespace flowrelay::cli
