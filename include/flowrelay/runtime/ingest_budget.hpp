// Bounds the memory of what producers have begun to send and not finished: the bodies of requests
// and the lines that are under way. I/O thread only.
#pragma once

#include <algorithm>
#include <cstdint>

namespace flowrelay::runtime {

class IngestBudget {
public:
    explicit IngestBudget(std::uint64_t limit) noexcept : limit_(limit) {}

    std::uint64_t used() const noexcept { return used_; }

    /// What one connection holds. The budget outlives it.
    class Share {
    public:
        /// A connection may hold this much without a place in the budget.
        static constexpr std::uint64_t free = 16 * 1024;

        explicit Share(IngestBudget& budget) noexcept : budget_(budget) {}
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;
        ~Share() { budget_.used_ -= held_; }

        /// The connection holds so many bytes now. False: that is over the budget, and the share
        /// stays what it was; the bytes have to go. One connection alone may hold any number, so
        /// that the largest batch always fits.
        [[nodiscard]] bool resize(std::uint64_t bytes) noexcept {
            const std::uint64_t counted = bytes - std::min(bytes, free);
            const std::uint64_t others = budget_.used_ - held_;
            if (counted > held_ && others > 0 && others + counted > budget_.limit_) return false;
            budget_.used_ = others + counted;
            held_ = counted;
            return true;
        }

    private:
        IngestBudget& budget_;
        std::uint64_t held_ = 0;
    };

private:
    std::uint64_t limit_;
    std::uint64_t used_ = 0;
};

}  // namespace flowrelay::runtime
