// How fast a server that limits takes requests: so many a second, so many at a time.
//
// Nothing is limited until the server refuses for going too fast. From then on requests go at the
// rate at which they were taken lately, evenly spaced, and one fewer at a time than when it
// refused. Both grow with good answers: fast while the limit is far, slowly near the value that was
// refused last, and fast again when that value is passed, or is long ago. A value that was refused
// twice is believed for longer than one that was refused once. What was being tried when
// the server refused is what is cut: the rate when the request had waited for its turn by rate, the
// number at a time when it was the last that there was room for.
//
// Pure: time is an argument. Constant cost. Owned by one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core::scheduling {

class Pace {
public:
    /// What a request carries with it to its end.
    struct Ticket {
        std::uint32_t era = 0;
        std::uint32_t under_way = 0;  ///< with this one
        bool by_rate = false;         ///< it had waited for the rate
        bool by_number = false;       ///< it took the last place
    };

    /// A limit is forgotten when the server has not refused for so long.
    static constexpr Seconds forgotten_after{600};

    /// When the next request may begin: long ago when nothing limits the rate.
    MonoTime available_from() const noexcept { return next_; }

    /// How many may be under way.
    std::size_t allowance() const noexcept { return number_ == 0 ? no_limit : number_; }

    bool is_limiting() const noexcept { return rate_ > 0 || number_ > 0; }

    Ticket begin(MonoTime now, std::size_t under_way) noexcept;

    /// The server took it.
    void taken(const Ticket& ticket, MonoTime now) noexcept;

    /// The server refused it for going too fast. `explicitly`: it said so (429); otherwise one such
    /// answer among good ones may be about its event.
    void refused(const Ticket& ticket, MonoTime now, bool explicitly) noexcept;

private:
    static constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();
    static constexpr std::size_t remembered = 16;

    bool is_near_ceiling() const noexcept { return ceiling_ > 0 && rate_ >= 0.75 * ceiling_; }
    double measured(MonoTime now) const noexcept;
    void cut_rate(MonoTime now) noexcept;
    void cut_number(std::size_t under_way) noexcept;
    void grow_rate(MonoTime now) noexcept;
    void grow_number(MonoTime now) noexcept;
    void forget() noexcept;

    double rate_ = 0;     // requests a second; 0: no limit is known
    double ceiling_ = 0;  // the rate that was refused last; 0: not known, or passed since
    bool ceiling_confirmed_ = false;  // the one before it was about the same
    MonoTime next_ = MonoTime::min();
    std::size_t number_ = 0;          // at a time; 0: no limit is known
    std::size_t number_refused_ = 0;  // as ceiling_
    unsigned number_refusals_ = 0;    // of the same number, after the first
    std::size_t credit_ = 0;          // good answers that took the last place
    std::uint32_t era_ = 0;           // counts the cuts: what began before one tells nothing after
    unsigned strikes_ = 0;            // refusals, ...
    unsigned good_since_ = 0;         // ... and good answers since the last of them
    MonoTime refused_at_ = MonoTime::min();
    std::array<MonoTime, remembered> taken_at_{};  // a ring
    std::size_t taken_count_ = 0;
};

}  // namespace flowrelay::core::scheduling
