#include "concurrency_limit.hpp"

#include <algorithm>
#include <chrono>

namespace flowrelay::core {

namespace {

constexpr std::size_t shortest_round = 8;
constexpr std::size_t fewest_samples = 5;
constexpr std::size_t longest_hold = 64;  // rounds, before the base is looked at anew
constexpr auto nobody_minds = std::chrono::milliseconds(100);

}  // namespace

ConcurrencyLimit::ConcurrencyLimit(std::size_t max) noexcept
    : max_(std::max<std::size_t>(max, 1)), allowance_(max_) {
    begin_round();
}

void ConcurrencyLimit::set_max(std::size_t max) noexcept {
    const bool at_max = allowance_ == max_;
    max_ = std::max<std::size_t>(max, 1);
    if (allowance_ > max_) begin_era(max_);
    // What was as good as no limit goes on so; the doubling ends by itself when it gets too much.
    if (at_max && allowance_ < max_) slow_start_ = true;
}

ConcurrencyLimit::Ticket ConcurrencyLimit::begin(std::size_t under_way) noexcept {
    most_under_way_ = std::max(most_under_way_, under_way);
    return {era_};
}

void ConcurrencyLimit::answered(Ticket ticket, Duration elapsed) noexcept {
    if (ticket.era != era_) return;
    if (elapsed > Duration::zero()) samples_[sample_count_++] = elapsed;
    grow();
    if (++answers_ >= round_) end_round();
}

void ConcurrencyLimit::failed(Ticket ticket) noexcept {
    if (ticket.era != era_) return;
    if (slow_start_) {
        restart();
        return;
    }
    if (++failures_ >= std::max<std::size_t>(2, round_ / 8)) {
        cut_to(allowance_ / 2);
    } else if (++answers_ >= round_) {
        end_round();
    }
}

void ConcurrencyLimit::restart() noexcept {
    begin_era(std::min(slow_start_begin, max_));
    slow_start_ = allowance_ < max_;
    calm_ = true;
}

void ConcurrencyLimit::resume(std::size_t allowance) noexcept {
    cut_to(std::clamp(allowance, allowance_, max_));
}

// TCP's rule for a window that the sender does not fill (RFC 7661): what was not tried is not
// known to work.
bool ConcurrencyLimit::is_used() const noexcept {
    return 2 * std::max(most_under_way_, most_before_) >= allowance_;
}

void ConcurrencyLimit::grow() noexcept {
    if (!calm_ || resume_at_ != 0 || allowance_ >= max_ || !is_used()) return;
    if (!slow_start_ && ++credit_ < allowance_) return;
    credit_ = 0;
    if (++allowance_ == max_) slow_start_ = false;
}

void ConcurrencyLimit::cut_to(std::size_t allowance) noexcept {
    slow_start_ = false;
    begin_era(std::max<std::size_t>(allowance, 1));
}

void ConcurrencyLimit::begin_era(std::size_t allowance) noexcept {
    ++era_;
    allowance_ = allowance;
    credit_ = 0;
    resume_at_ = 0;
    held_ = 0;
    most_under_way_ = 0;
    begin_round();
}

void ConcurrencyLimit::begin_round() noexcept {
    round_ = std::clamp(allowance_, shortest_round, max_samples);
    answers_ = 0;
    failures_ = 0;
    sample_count_ = 0;
    most_before_ = most_under_way_;
    most_under_way_ = 0;
}

void ConcurrencyLimit::end_round() noexcept {
    const std::uint32_t era = era_;
    if (sample_count_ >= fewest_samples) {
        look_at(median());
    } else {
        calm_ = true;  // for all that is known
        if (resume_at_ != 0) begin_era(std::min(resume_at_, max_));
    }
    if (era == era_) begin_round();
}

ConcurrencyLimit::Duration ConcurrencyLimit::median() noexcept {
    const auto middle = samples_.begin() + static_cast<std::ptrdiff_t>(sample_count_ / 2);
    std::nth_element(samples_.begin(), middle,
                     samples_.begin() + static_cast<std::ptrdiff_t>(sample_count_));
    return *middle;
}

// What it usually takes to be answered, in the round that ends.
void ConcurrencyLimit::look_at(Duration usual) noexcept {
    if (base_ == Duration::zero() || usual < base_) base_ = usual;
    if (allowance_ == 1) {
        learn_base(usual);
    } else if (!is_used()) {
        return;
    } else if (usual > congested_above()) {
        const double excess =
            std::chrono::duration<double>(usual) / std::chrono::duration<double>(congested_above());
        calm_ = false;
        cut_to(static_cast<std::size_t>(static_cast<double>(allowance_) / std::min(excess, 2.0)));
    } else if (usual <= calm_below()) {
        calm_ = true;
        held_ = 0;
    } else {
        calm_ = false;
        slow_start_ = false;
        if (allowance_ == max_ || ++held_ < longest_hold) return;
        const std::size_t resume_at = allowance_;
        cut_to(1);
        resume_at_ = resume_at;
    }
}

// One at a time takes so long, and nothing of it is our doing.
void ConcurrencyLimit::learn_base(Duration alone) noexcept {
    const bool was_wrong = alone > calm_below();
    base_ = alone;
    calm_ = true;
    held_ = 0;
    if (resume_at_ != 0) begin_era(std::min(resume_at_, max_));
    if (was_wrong) slow_start_ = allowance_ < max_;
}

ConcurrencyLimit::Duration ConcurrencyLimit::calm_below() const noexcept {
    return base_ + base_ / 2 + nobody_minds / 2;
}

ConcurrencyLimit::Duration ConcurrencyLimit::congested_above() const noexcept {
    return 2 * base_ + nobody_minds;
}

}  // namespace flowrelay::core
