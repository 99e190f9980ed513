// Limits the memory for unfinished input of all producers: request bodies and lines that have been
// received only in part. I/O thread only.
#pragma once

#include <algorithm>
#include <cstdint>

namespace flowrelay::runtime {

class IngestBudget {
public:
    explicit IngestBudget(std::uint64_t limit) noexcept : limit_(limit) {}

    std::uint64_t used() const noexcept { return used_; }

    /// The bytes that one connection uses. The budget outlives it.
    class Share {
    public:
        /// Bytes that a connection may use without being counted in the budget.
        static constexpr std::uint64_t free = 16 * 1024;

        explicit Share(IngestBudget& budget) noexcept : budget_(budget) {}
        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;
        ~Share() { budget_.used_ -= held_; }

        /// Sets the number of bytes that the connection uses. Returns false if that exceeds the
        /// budget; the share is then unchanged, and the caller must discard the bytes. A connection
        /// that is alone in the budget may use any number of bytes, so that the largest batch
        /// always fits.
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
