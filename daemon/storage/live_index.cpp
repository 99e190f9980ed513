#include "live_index.hpp"

namespace flowrelay::storage {

void LiveIndex::add(const LiveEvent& event) {
    events_.push_back(event);
    ++live_;
}

LiveEvent* LiveIndex::find(Seq seq) noexcept {
    if (events_.empty() || seq < events_.front().seq) return nullptr;
    // Seqs seldom have gaps: the first guess is nearly always right until entries are dropped.
    const std::uint64_t guess = to_number(seq) - to_number(events_.front().seq);
    auto at = events_.begin();
    if (guess < events_.size() && events_[guess].seq == seq) {
        at += static_cast<std::ptrdiff_t>(guess);
    } else {
        at = std::lower_bound(events_.begin(), events_.end(), seq,
                              [](const LiveEvent& event, Seq value) { return event.seq < value; });
    }
    if (at == events_.end() || at->seq != seq || at->offset == 0) return nullptr;
    return &*at;
}

bool LiveIndex::settle(Seq seq) {
    LiveEvent* event = find(seq);
    if (event == nullptr) return false;
    event->offset = 0;
    --live_;
    constexpr std::size_t too_few_to_matter = 1024;
    if (live_ == 0) {
        events_ = {};
    } else if (events_.size() > too_few_to_matter && live_ < events_.size() / 2) {
        std::erase_if(events_, [](const LiveEvent& entry) { return entry.offset == 0; });
        events_.shrink_to_fit();
    }
    return true;
}

}  // namespace flowrelay::storage
