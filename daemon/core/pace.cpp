#include "pace.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>

namespace flowrelay::core::scheduling {

namespace {

constexpr double lowest_rate = 1.0 / 30;
constexpr double first_rate = 1;                      // at least
constexpr auto slack = std::chrono::milliseconds(5);  // what timers are late may be caught up with
constexpr double below_limit = 0.92;  // of what was taken: a step is lost when it is passed
constexpr double creep = 0.006;       // of the ceiling, a second, near it
constexpr double boredom = 8;         // seconds without a refusal, after which it creeps faster
constexpr double boredom_once = 2;    // the same of a ceiling that was met once
constexpr double same_ceiling = 0.2;  // how far a ceiling that is met again may be from the former
constexpr double return_speed = 0.3;  // of the way back to just below the ceiling, a second
constexpr double passed = 1.05;       // times the ceiling: it is none any more
constexpr double fast_growth = 2.0;   // requests a second more, for each that is taken
constexpr unsigned quiet_answers = 8;
constexpr Seconds ceiling_lasts{60};
constexpr Seconds number_rests_once{3};  // before a number that was refused is tried again, ...
constexpr Seconds number_rests{48};      // ... which doubles each time, up to this

MonoTime::duration interval_of(double rate) noexcept {
    return std::chrono::duration_cast<MonoTime::duration>(std::chrono::duration<double>(1 / rate));
}

}  // namespace

Pace::Ticket Pace::begin(MonoTime now, std::size_t under_way) noexcept {
    assert(under_way > 0);
    if (is_limiting() && now - refused_at_ > forgotten_after) forget();
    Ticket ticket;
    ticket.era = era_;
    ticket.under_way = static_cast<std::uint32_t>(under_way);
    ticket.by_number = number_ != 0 && under_way >= number_;
    if (rate_ == 0) return ticket;
    const auto interval = interval_of(rate_);
    ticket.by_rate = now - next_ <= interval / 4 + slack;
    // A probe does not wait for the pace, and does not put off what comes after it.
    next_ =
        std::clamp(next_, now - std::min<MonoTime::duration>(slack, interval / 16), now) + interval;
    return ticket;
}

void Pace::taken(const Ticket& ticket, MonoTime now) noexcept {
    taken_at_[taken_count_++ % remembered] = now;
    if (++good_since_ >= quiet_answers) strikes_ = 0;
    if (!is_limiting() || ticket.era != era_) return;
    if (now - refused_at_ > ceiling_lasts) {
        ceiling_ = 0;
        number_refused_ = 0;
    }
    if (ticket.by_rate) grow_rate(now);
    if (ticket.by_number) grow_number(now);
}

void Pace::refused(const Ticket& ticket, MonoTime now, bool explicitly) noexcept {
    // Without good answers beside it, it is an outage and no limit.
    if (ticket.era != era_ || measured(now) <= 0) return;
    ++strikes_;
    good_since_ = 0;
    const bool is_sure = explicitly || (rate_ > 0 && !is_near_ceiling());
    if (!is_sure && strikes_ < 2) return;
    refused_at_ = now;
    const bool both = !is_limiting() || (!ticket.by_rate && !ticket.by_number);
    if (ticket.by_rate || both) cut_rate(now);
    if (ticket.under_way > 1 && (both || !ticket.by_rate)) cut_number(ticket.under_way);
    ++era_;
    strikes_ = 0;
}

// How many a second have been taken of late.
double Pace::measured(MonoTime now) const noexcept {
    const double window = rate_ > 0 ? std::max(1.0, 8 / rate_) : 1.0;
    const std::size_t known = std::min(taken_count_, remembered);
    std::size_t inside = 0;
    double oldest = 0;
    for (std::size_t i = 0; i < known; ++i) {
        const double ago = in_seconds(now - taken_at_[i]);
        if (ago > window) continue;
        ++inside;
        oldest = std::max(oldest, ago);
    }
    const bool full = inside == remembered;
    return static_cast<double>(inside) / (full ? std::max(oldest, 1e-3) : window);
}

void Pace::cut_rate(MonoTime now) noexcept {
    const double goal = below_limit * measured(now);
    if (rate_ == 0) {
        rate_ = std::max(goal, first_rate);
    } else {
        const double least = is_near_ceiling() ? 0.9 : 0.5;
        ceiling_confirmed_ = std::abs(rate_ - ceiling_) <= same_ceiling * ceiling_;
        ceiling_ = rate_;
        rate_ = std::max(std::clamp(goal, least * rate_, 0.95 * rate_), lowest_rate);
    }
    next_ = now + interval_of(rate_);
}

void Pace::cut_number(std::size_t under_way) noexcept {
    number_refusals_ = number_refused_ == under_way ? number_refusals_ + 1 : 0;
    number_refused_ = under_way;
    assert(under_way > 1);  // one at a time goes whatever the server says
    number_ = under_way - 1;
    credit_ = 0;
}

void Pace::grow_rate(MonoTime now) noexcept {
    if (ceiling_ == 0) {
        rate_ += std::min(rate_, fast_growth);
    } else if (!is_near_ceiling()) {
        rate_ = std::min(rate_ + std::min(rate_, fast_growth), 0.75 * ceiling_);
    } else {
        const double bored = ceiling_confirmed_ ? boredom : boredom_once;
        const double quiet = in_seconds(now - refused_at_) / bored;
        const double a_second = std::max(creep * ceiling_ * (1 + quiet * quiet),
                                         return_speed * (below_limit * ceiling_ - rate_));
        rate_ += std::min(a_second / rate_, rate_ / 10);
        if (rate_ > passed * ceiling_) ceiling_ = 0;
    }
}

void Pace::grow_number(MonoTime now) noexcept {
    ++credit_;
    if (number_refused_ > number_) {
        const auto rest =
            std::min(number_rests_once * (1U << std::min(number_refusals_, 8U)), number_rests);
        if (now - refused_at_ < rest || credit_ < 4 * number_) return;
    } else if (number_refused_ != 0) {
        if (credit_ < 4 * number_) return;
        number_refused_ = 0;  // it is taken now
    }
    ++number_;
    credit_ = 0;
}

void Pace::forget() noexcept {
    rate_ = ceiling_ = 0;
    number_ = number_refused_ = 0;
    next_ = MonoTime::min();
    ++era_;
}

}  // namespace flowrelay::core::scheduling
