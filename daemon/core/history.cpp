#include "flowrelay/core/history.hpp"

#include <algorithm>
#include <functional>
#include <ranges>
#include <utility>

namespace flowrelay::core {

void History::attempted(PastAttempt attempt) {
    if (attempt.reason.size() > longest_reason) {
        std::size_t end = longest_reason;
        // Do not cut within a character of several bytes.
        while (end > 0 && (static_cast<unsigned char>(attempt.reason[end]) & 0xC0) == 0x80) --end;
        attempt.reason.resize(end);
        attempt.reason += "...";
    }
    if (attempts_.size() == max_attempts) attempts_.pop_front();
    attempts_.push_back(std::move(attempt));
}

std::size_t History::hash_of(std::string_view id) noexcept {
    return std::hash<std::string_view>()(id);
}

void History::ended(const PastEvent& event) {
    if (events_.size() == max_events) events_.pop_front();
    events_.push_back(event);
}

void History::filtered(FilteredEvent event) {
    if (filtered_.size() == max_filtered) filtered_.pop_front();
    filtered_.push_back(std::move(event));
}

std::vector<PastAttempt> History::attempts(Seq seq) const {
    std::vector<PastAttempt> found;
    std::ranges::copy_if(attempts_, std::back_inserter(found),
                         [seq](const PastAttempt& attempt) { return attempt.seq == seq; });
    return found;
}

namespace {

// Finds the latest entry: an event may have left more than once (replayed, died again).
template <class Event, class Matches>
std::optional<Event> find_last(const std::deque<Event>& events, Matches matches) {
    const auto found = std::find_if(events.rbegin(), events.rend(), matches);
    return found == events.rend() ? std::nullopt : std::optional(*found);
}

}  // namespace

std::optional<PastEvent> History::find(Seq seq) const {
    return find_last(events_, [seq](const PastEvent& event) { return event.seq == seq; });
}

std::optional<PastEvent> History::find(std::string_view id) const {
    const std::size_t hash = hash_of(id);
    return find_last(events_, [hash](const PastEvent& event) { return event.id_hash == hash; });
}

std::optional<PastEvent> History::find(std::string_view id, TokenId token) const {
    const std::size_t hash = hash_of(id);
    return find_last(events_, [hash, token](const PastEvent& event) {
        return event.id_hash == hash && event.token == token;
    });
}

std::optional<FilteredEvent> History::find_filtered(std::string_view id, TokenId token) const {
    const std::size_t hash = hash_of(id);
    return find_last(filtered_, [hash, token](const FilteredEvent& event) {
        return event.id_hash == hash && event.token == token;
    });
}

std::optional<FilteredEvent> History::find_filtered(std::string_view id) const {
    const std::size_t hash = hash_of(id);
    return find_last(filtered_,
                     [hash](const FilteredEvent& event) { return event.id_hash == hash; });
}

std::optional<PastEvent> History::last_of(const LaneId& lane) const {
    return find_last(events_, [&lane](const PastEvent& event) {
        return event.token == lane.token && event.thread_hash == lane.thread_hash;
    });
}

void History::forget(const std::unordered_set<TokenId>& tokens) {
    std::erase_if(attempts_, [&](const PastAttempt& a) { return tokens.contains(a.token); });
    std::erase_if(filtered_, [&](const FilteredEvent& e) { return tokens.contains(e.token); });
}

}  // namespace flowrelay::core
