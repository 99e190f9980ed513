#include "live_index.hpp"

#include <cassert>
#include <utility>

namespace flowrelay::storage {

void LiveIndex::add(const IndexedEvent& event) {
    assert(event.offset != 0 && (events_.empty() || events_.back().seq < event.seq));
    events_.push_back(event);
    ++live_;
}

std::optional<std::size_t> LiveIndex::place(Seq seq) const noexcept {
    if (events_.empty() || seq < events_.front().seq) return std::nullopt;
    // Gaps are rare except where entries were dropped, which are old ones: a first guess counted
    // from the front or from the back is nearly always right.
    const auto is_at = [&](std::size_t guess) {
        return guess < events_.size() && events_[guess].seq == seq;
    };
    std::size_t at = to_number(seq) - to_number(events_.front().seq);
    if (!is_at(at)) {
        at = events_.size() - 1 - (to_number(events_.back().seq) - to_number(seq));
    }
    if (!is_at(at)) {
        const auto found = std::ranges::lower_bound(events_, seq, {}, &IndexedEvent::seq);
        at = static_cast<std::size_t>(found - events_.begin());
    }
    if (at == events_.size() || events_[at].seq != seq || events_[at].offset == 0) {
        return std::nullopt;
    }
    return at;
}

const IndexedEvent* LiveIndex::find(Seq seq) const noexcept {
    const auto at = place(seq);
    return at ? &events_[*at] : nullptr;
}

bool LiveIndex::settle(Seq seq) {
    const auto at = place(seq);
    if (!at) return false;
    events_[*at].offset = 0;
    assert(live_ > 0);
    --live_;
    give_back();
    return true;
}

std::size_t LiveIndex::settle(Seq first, Seq end) {
    std::size_t count = 0;
    auto at = std::ranges::lower_bound(events_, first, {}, &IndexedEvent::seq);
    for (; at != events_.end() && at->seq < end; ++at) {
        if (at->offset == 0) continue;
        at->offset = 0;
        ++count;
    }
    assert(live_ >= count);
    live_ -= count;
    give_back();
    return count;
}

void LiveIndex::give_back() {
    constexpr std::size_t too_few_to_matter = 1024;
    if (live_ == 0) {
        events_ = IndexedEvents();
    } else if (events_.size() > too_few_to_matter && live_ < events_.size() / 2) {
        drop_settled();
        events_.shrink_to_fit();
    }
}

IndexedEvents LiveIndex::take() {
    drop_settled();
    live_ = 0;
    return std::exchange(events_, IndexedEvents());
}

void LiveIndex::drop_settled() {
    std::erase_if(events_, [](const IndexedEvent& entry) { return entry.offset == 0; });
}

}  // namespace flowrelay::storage
