#include "log_erasure.hpp"

#include <algorithm>
#include <utility>

#include "quarantine.hpp"

namespace flowrelay::storage {

namespace {

// Limits of one step: bytes read or overwritten, and events settled.
constexpr std::uint64_t erasure_step = 2 * 1024 * 1024;
constexpr std::size_t step_outcomes = 4096;

}  // namespace

void LogErasure::begin(std::span<const TokenId> tokens) {
    stop();
    ++number_;
    active_ = true;
    settled_ = ids_wiped_ = false;
    tokens_ = {tokens.begin(), tokens.end()};
    known_ids_.begin_erasure();
    looked_at_ = 0;
    queued_.clear();
    next_queued_ = 0;
}

void LogErasure::stop() {
    for (Segment& segment : segments_.all()) {
        if (segment.header.number == place_.number) segment.tail_dirty |= place_.has_tail;
    }
    place_ = {};
    active_ = false;
}

Segment* LogErasure::segment_behind(std::uint64_t number) {
    for (Segment& segment : segments_.all()) {
        if (segment.header.number > number) return &segment;
    }
    return nullptr;
}

Result<std::span<const LogErasure::Queued>> LogErasure::next_outcomes() {
    while (next_queued_ == queued_.size()) {
        queued_.clear();
        next_queued_ = 0;
        Segment* const segment = segment_behind(looked_at_);
        if (segment == nullptr) return std::span<const Queued>();
        const auto add = [this](Seq seq, TokenId token) { queued_.push_back({seq, token}); };
        auto done = segments_.queued_of(tokens_, *segment, add);
        if (done.has_error()) return done.error();
        looked_at_ = segment->header.number;
    }
    const auto part = std::span(queued_).subspan(
        next_queued_, std::min(step_outcomes, queued_.size() - next_queued_));
    next_queued_ += part.size();
    return std::span<const Queued>(part);
}

Result<bool> LogErasure::wipe_segments() {
    for (Segment& segment : segments_.all()) {
        if (segment.wiped_for == number_) continue;
        if (segment.header.number != place_.number) {
            if (auto begun = begin_segment(segment); begun.has_error()) return begun.error();
        }
        if (auto wiped = wipe_some(segment); wiped.has_error()) return wiped.error();
        return false;
    }
    return true;
}

Result<void> LogErasure::begin_segment(Segment& segment) {
    const auto mentioned = segments_.mentions(segment, tokens_);
    if (mentioned.has_error()) return mentioned.error();
    place_ = {};
    place_.number = segment.header.number;
    place_.offset = segment_header_size;
    place_.has_records = *mentioned || segment.damaged;
    // After this, only a failed write of another operation makes the tail dirty.
    place_.has_tail = std::exchange(segment.tail_dirty, false);
    return {};
}

Result<void> LogErasure::wipe_some(Segment& segment) {
    if (place_.has_records && place_.offset < segment.end) {
        const auto next = wipe_records(segment, tokens_, place_.offset, erasure_step,
                                       files_.segment_path(segment.header.number));
        if (next.has_error()) return next.error();
        place_.offset = *next;
        if (place_.offset < segment.end) return {};
    }
    if (place_.has_tail && place_.tail < segment.size) {
        const auto next = wipe_tail(segment, place_.tail, erasure_step);
        if (next.has_error()) return next.error();
        place_.tail = *next;
        if (place_.tail < segment.size) return {};
    }
    segment.wiped_for = number_;
    place_ = {};
    return {};
}

Result<bool> LogErasure::wipe_rest() {
    const auto spares = files_.wipe_spares(segment_size_, number_, erasure_step);
    if (spares.has_error() || !*spares) return spares;
    if (!ids_wiped_) {
        const auto wiped = known_ids_.erase_some(tokens_);
        if (wiped.has_error()) return wiped.error();
        ids_wiped_ = *wiped;
        return false;
    }
    auto done = files_.remove_left_over();
    // Until then files removed earlier may come back.
    if (done.has_value()) done = files_.sync_directory();
    if (done.has_value()) {
        done = Quarantine(files_.file_system(), files_.directory()).empty();
    }
    if (done.has_error()) return done.error();
    active_ = false;
    return true;
}

}  // namespace flowrelay::storage
