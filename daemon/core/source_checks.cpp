#include "flowrelay/core/source_checks.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "flowrelay/base/http_status.hpp"

namespace flowrelay::core {

namespace {

// The wait after a request without an answer; the interval if that is shorter.
constexpr Milliseconds ask_again_after = Seconds(3600);

}  // namespace

std::string_view to_string(SourceLife life) noexcept {
    switch (life) {
        case SourceLife::found:
            return "found";
        case SourceLife::gone:
            return "gone";
        case SourceLife::unknown:
            return "unknown";
        case SourceLife::refused:
            return "refused";
        case SourceLife::unanswered:
            return "unanswered";
        case SourceLife::strange:
            break;
    }
    return "strange";
}

SourceLife life_of(const AttemptResult& result, bool is_source) noexcept {
    if (result.end != AttemptEnd::response) return SourceLife::unanswered;
    if (is_success(result.status)) return is_source ? SourceLife::found : SourceLife::strange;
    switch (result.status) {
        case 410:
            return SourceLife::gone;
        case 404:
        case 405:
            return SourceLife::unknown;
        case 401:
        case 402:
        case 403:
            return SourceLife::refused;
        case 408:
        case 429:
            return SourceLife::unanswered;
        default:
            return result.status >= 500 ? SourceLife::unanswered : SourceLife::strange;
    }
}

bool is_source(std::string_view body) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse({body.data(), body.size()}, error);
    return !error && value.is_object() && value.get_object().contains("id");
}

Milliseconds SourceChecks::spread() {
    // 90 to 110 percent of the interval.
    const auto fifth = static_cast<std::uint64_t>(interval_.count() / 5);
    return interval_ - interval_ / 10 +
           Milliseconds(static_cast<std::int64_t>(random_.below(fifth + 1)));
}

void SourceChecks::schedule(TokenId token, Source& source, MonoTime due) {
    due_.erase({source.due, token});
    source.due = due;
    if (interval_ > Milliseconds(0) && token != in_flight_) due_.emplace(due, token);
}

// The first wait is a random part of the interval, so that a relay that often restarts checks, too.
void SourceChecks::set_interval(Milliseconds interval, MonoTime now) {
    if (interval == interval_) return;
    interval_ = interval;
    due_.clear();
    for (auto& [token, source] : sources_) {
        const auto part = random_.below(static_cast<std::uint64_t>(interval_.count()) + 1);
        schedule(token, source, now + Milliseconds(static_cast<std::int64_t>(part)));
    }
}

void SourceChecks::watch(TokenId token, MonoTime now) {
    const auto [place, added] = sources_.try_emplace(token);
    if (!added) return;
    const auto part = random_.below(static_cast<std::uint64_t>(interval_.count()) + 1);
    schedule(token, place->second, now + Milliseconds(static_cast<std::int64_t>(part)));
}

void SourceChecks::forget(TokenId token) {
    const auto found = sources_.find(token);
    if (found == sources_.end()) return;
    due_.erase({found->second.due, token});
    sources_.erase(found);
}

std::optional<TokenId> SourceChecks::due(MonoTime now) {
    while (!busy() && !due_.empty() && due_.begin()->first <= now) {
        const TokenId token = due_.begin()->second;
        Source& source = sources_.at(token);
        const bool heard_lately =
            source.heard != MonoTime::min() && source.heard + interval_ - interval_ / 10 > now;
        if (!heard_lately) return token;
        schedule(token, source, std::max(source.heard + spread(), now + Milliseconds(1)));
    }
    return std::nullopt;
}

void SourceChecks::begin(TokenId token) {
    in_flight_ = token;
    const auto found = sources_.find(token);
    if (found != sources_.end()) due_.erase({found->second.due, token});
}

void SourceChecks::postpone(TokenId token, MonoTime now) {
    schedule(token, sources_.at(token), now + spread());
}

bool SourceChecks::end(SourceLife life, std::optional<Milliseconds> retry_after, MonoTime now) {
    const TokenId token = std::exchange(in_flight_, TokenId::none);
    const auto found = sources_.find(token);
    if (found == sources_.end()) return life != SourceLife::found;
    Source& source = found->second;
    const bool is_news = life != SourceLife::found && source.last != life;
    source.last = life;
    if (life == SourceLife::unanswered) {
        schedule(token, source,
                 now + std::max(std::min(spread(), ask_again_after),
                                retry_after.value_or(Milliseconds(0))));
    } else {
        source.heard = now;
        schedule(token, source, now + spread());
    }
    return is_news;
}

void SourceChecks::release(MonoTime now) {
    const TokenId token = std::exchange(in_flight_, TokenId::none);
    const auto found = sources_.find(token);
    if (found != sources_.end()) {
        schedule(token, found->second, now + std::min(spread(), ask_again_after));
    }
}

std::optional<MonoTime> SourceChecks::next_wakeup() const {
    if (busy() || due_.empty()) return std::nullopt;
    return due_.begin()->first;
}

}  // namespace flowrelay::core
