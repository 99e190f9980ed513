#include "flowrelay/core/summing_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <variant>
#include <vector>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace {

constexpr unsigned burst_of_kind = 5;   // for one kind, and for one source
constexpr unsigned burst_of_name = 50;  // for all sources together
constexpr Milliseconds first_spacing = Seconds(60);
constexpr Milliseconds longest_spacing = Seconds(3600);
constexpr Milliseconds calm = Seconds(600);
constexpr std::size_t max_kinds = 4096;

// How the names of events begin that are summed up: events that the relay notices by itself. Others
// are actions of users, and each of their lines matters. Refusals are summed up as well: they
// change nothing, and a refused user can ask again at any rate.
constexpr std::array<std::string_view, 8> rooms{"spool.",       "dead_letters.",  "server.",
                                                "ingest.",      "delivery.",      "token.",
                                                "destination.", "control.refused"};

// The receipt of an erasure occurs once for each token.
bool is_receipt(const LogEvent& event) {
    return event.name == log_events::token_erased.name;
}

bool repeats(const LogEvent& event) {
    return event.severity != Severity::debug && !is_receipt(event) &&
           std::ranges::any_of(rooms, [&](auto room) { return event.name.starts_with(room); });
}

/// Returns the source or user that a line is about, if each has a burst of its own.
std::string source_of(const LogEvent& event, std::span<const LogField> fields) {
    const bool of_source = event.name.starts_with("token.");
    if (!of_source && event.name != log_events::control_refused.name) return {};
    for (const LogField& field : fields) {
        if (field.key != (of_source ? "source" : "uid")) continue;
        return std::visit([](auto value) { return fmt::format("{}", value); }, field.value);
    }
    return {};
}

/// Returns the number of lines that the caller had already left out before this one.
std::uint64_t suppressed_of(std::span<const LogField> fields) {
    for (const LogField& field : fields) {
        const auto* value = std::get_if<std::uint64_t>(&field.value);
        if (field.key == "suppressed" && value != nullptr) return *value;
    }
    return 0;
}

}  // namespace

bool SummingLimiter::admit(MonoTime now) noexcept {
    if (!last_ || now - *last_ >= std::max(calm, spacing_)) {
        used_ = 0;
        spacing_ = first_spacing;
    }
    last_ = now;
    if (used_ < burst_) {
        ++used_;
        next_ = now + spacing_;
        return true;
    }
    if (now < next_) return false;
    spacing_ = std::min(2 * spacing_, longest_spacing);
    next_ = now + spacing_;
    return true;
}

SummingLog::Kind& SummingLog::kind(std::string_view name, std::string_view source) {
    std::string key(name);
    // There are many sources only if producers invent tokens. Then they share one burst.
    if (!source.empty() && kinds_.size() < max_kinds) key.append(" ").append(source);
    return kinds_.try_emplace(std::move(key), Kind{SummingLimiter(burst_of_kind)}).first->second;
}

bool SummingLog::admit(std::string_view name, std::string_view source,
                       std::uint64_t left_out_before, std::uint64_t& suppressed) {
    const Now now = clock_.now();
    const std::lock_guard lock(mutex_);
    Kind& of = kind(name, source);
    auto all = names_.find(name);
    if (all == names_.end()) {
        all = names_.emplace(std::string(name), SummingLimiter(burst_of_name)).first;
    }
    const bool passes = of.limiter.admit(now.mono) && all->second.admit(now.mono);
    of.last = now.mono;
    of.last_wall = now.wall;
    of.left_out += left_out_before;
    if (!passes) {
        ++of.left_out;
        return false;
    }
    suppressed = std::exchange(of.left_out, 0);
    return true;
}

void SummingLog::write(const LogEvent& event, std::span<const LogField> fields) noexcept {
    if (!out_.enabled(event.severity)) return;
    if (!repeats(event)) {
        out_.write(event, fields);
        return;
    }
    try {
        std::uint64_t suppressed = 0;
        if (!admit(event.name, source_of(event, fields), suppressed_of(fields), suppressed)) {
            return;
        }
        std::vector<LogField> told;
        told.reserve(fields.size() + 1);
        for (const LogField& field : fields) {
            if (field.key != "suppressed") told.push_back(field);
        }
        if (suppressed > 0) told.emplace_back("suppressed", suppressed);
        out_.write(event, told);
    } catch (...) {
        out_.write(event, fields);  // out of memory: too many lines are better than none
    }
}

// Returns the kind by event and source; by event alone if there are many sources.
std::vector<SummingLog::Rest> SummingLog::take_rests(Milliseconds quiet_for) {
    std::map<std::string, std::vector<Rest>, std::less<>> by_event;
    const MonoTime now = clock_.now().mono;
    const std::lock_guard lock(mutex_);
    for (auto& [name, of] : kinds_) {
        if (of.left_out == 0 || now - of.last < quiet_for) continue;
        const std::size_t blank = name.find(' ');
        Rest rest{name.substr(0, blank), "", std::exchange(of.left_out, 0), of.last_wall};
        if (blank != std::string::npos) rest.whom = name.substr(blank + 1);
        by_event[rest.event].push_back(std::move(rest));
    }
    std::erase_if(kinds_, [&](const auto& item) {
        return item.second.left_out == 0 && now - item.second.last >= longest_spacing;
    });
    std::vector<Rest> told;
    for (auto& [event, rests] : by_event) {
        if (rests.size() <= burst_of_kind) {
            for (auto& rest : rests) told.push_back(std::move(rest));
            continue;
        }
        Rest sum{event, "", 0, rests.front().last};
        for (const Rest& rest : rests) {
            sum.lines += rest.lines;
            sum.last = std::max(sum.last, rest.last);
        }
        told.push_back(std::move(sum));
    }
    return told;
}

void SummingLog::flush() noexcept {
    tell_rests(calm);
}

void SummingLog::finish() noexcept {
    tell_rests(Milliseconds(0));
}

void SummingLog::tell_rests(Milliseconds quiet_for) noexcept {
    try {
        for (const Rest& rest : take_rests(quiet_for)) {
            const std::string last = format_time(rest.last);
            std::vector<LogField> fields{{"of", rest.event}};
            const bool user = rest.event == log_events::control_refused.name;
            if (!rest.whom.empty()) fields.emplace_back(user ? "uid" : "source", rest.whom);
            fields.emplace_back("lines", rest.lines);
            fields.emplace_back("last", last);
            out_.write(log_events::log_left_out, fields);
        }
    } catch (...) {
        // Out of memory: continue without the lines.
    }
}

}  // namespace flowrelay::core
