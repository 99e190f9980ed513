#include "evidence.hpp"

#include <algorithm>

namespace flowrelay::core::scheduling {

namespace {

// As many as are ever asked for, whatever the options say.
constexpr std::size_t max_threads = 16;

template <class T>
bool contains(const std::vector<T>& list, const T& item) noexcept {
    return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

// ---- the table

Evidence evidence_of(const Judgement& judgement) noexcept {
    if (judgement.verdict == Verdict::park_destination) return Evidence::wrong_url;
    if (judgement.verdict != Verdict::retry) return Evidence::none;
    if (judgement.hold.value_or(Milliseconds(0)).count() > 0) return Evidence::asked_to_wait;
    if (judgement.connection_failure) {
        return judgement.after_sending ? Evidence::no_answer : Evidence::no_connection;
    }
    return judgement.server_error ? Evidence::server_error : Evidence::none;
}

Threshold threshold_of(Evidence evidence, const SchedulerOptions& options) noexcept {
    switch (evidence) {
        case Evidence::no_connection:
            return {options.breaker_failures, 1, false};
        case Evidence::no_answer:
            return {options.breaker_failures, options.breaker_lanes, true};
        case Evidence::server_error:
            return {1, options.breaker_lanes, true};
        case Evidence::asked_to_wait:
            return {1, 2, true};
        case Evidence::wrong_url:
            return {1, 1, true};
        case Evidence::none:
            break;
    }
    return {};
}

bool shows_health(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::delivered:
        case Verdict::gone:
        case Verdict::throttled:
        case Verdict::park_token:
        case Verdict::rejected:
            return true;
        case Verdict::retry:
        case Verdict::park_destination:
            break;
    }
    return false;
}

bool is_limit(const Judgement& judgement, MonoTime good_at, MonoTime now) noexcept {
    return judgement.too_fast && evidence_of(judgement) == Evidence::server_error &&
           good_at != MonoTime::min() && now - good_at <= limits_after_good;
}

std::optional<Scope> who_was_asked(const Judgement& judgement,
                                   std::optional<MonoTime> destination_until,
                                   std::optional<MonoTime> token_until, MonoTime now) noexcept {
    const Milliseconds hold = judgement.hold.value_or(Milliseconds(0));
    if (hold.count() == 0) return std::nullopt;
    const auto waits = [&](std::optional<MonoTime> until) { return until && *until >= now + hold; };
    if (judgement.verdict == Verdict::throttled) return Scope::token;
    if (waits(destination_until)) return Scope::destination;
    return waits(token_until) ? Scope::token : Scope::thread;
}

// ---- what has been seen

void Trouble::note(Evidence evidence, LaneId lane, const SchedulerOptions& options) {
    if (evidence == Evidence::none) return;
    Row& kind = row(evidence);
    ++kind.answers;
    const std::size_t enough =
        std::clamp<std::size_t>(threshold_of(evidence, options).threads, 1, max_threads);
    if (kind.threads.size() < enough && !contains(kind.threads, lane)) {
        kind.threads.push_back(lane);
    }
    if (tokens_.size() < enough_tokens && !has(lane.token)) tokens_.push_back(lane.token);
}

void Trouble::clear() noexcept {
    for (Row& kind : rows_) {
        kind.answers = 0;
        kind.threads.clear();
    }
    tokens_.clear();
}

void Trouble::answered() noexcept {
    for (const auto kind : {Evidence::no_connection, Evidence::no_answer}) {
        row(kind).answers = 0;
        row(kind).threads.clear();
    }
}

bool Trouble::is_wide(Evidence evidence, const SchedulerOptions& options) const noexcept {
    if (evidence >= Evidence::none) return false;  // and no more: it is an index
    const Threshold threshold = threshold_of(evidence, options);
    const std::size_t threads = row(evidence).threads.size();
    unsigned answers = row(evidence).answers;
    // A connection that fails and an answer that does not come are one row.
    if (evidence == Evidence::no_connection) answers += row(Evidence::no_answer).answers;
    if (evidence == Evidence::no_answer) answers += row(Evidence::no_connection).answers;
    return answers >= threshold.answers &&
           threads >= std::min<std::size_t>(threshold.threads, max_threads);
}

bool Trouble::has(TokenId token) const noexcept {
    return contains(tokens_, token);
}

std::vector<LaneId> Trouble::threads() const {
    const auto& failing = row(Evidence::server_error).threads;
    const auto& silent = row(Evidence::no_answer).threads;
    return failing.size() > silent.size() ? failing : silent;
}

}  // namespace flowrelay::core::scheduling
