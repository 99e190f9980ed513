#include "flowrelay/core/dedup_window.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "flowrelay/base/bytes.hpp"

namespace flowrelay::core {

namespace {

std::uint64_t finish(std::uint64_t h) noexcept {
    h ^= h >> 33;
    h *= 0xFF51AFD7ED558CCDULL;
    h ^= h >> 33;
    h *= 0xC4CEB9FE1A85EC53ULL;
    return h ^ (h >> 33);
}

std::uint64_t scramble_low(std::uint64_t k) noexcept {
    return std::rotl(k * 0x87C37B91114253D5ULL, 31) * 0x4CF5AD432745937FULL;
}

std::uint64_t scramble_high(std::uint64_t k) noexcept {
    return std::rotl(k * 0x4CF5AD432745937FULL, 33) * 0x87C37B91114253D5ULL;
}

}  // namespace

// MurmurHash3 for x64, 128 bits (public domain), seeded with the token.
DedupWindow::Key DedupWindow::key_of(TokenId token, std::string_view id) noexcept {
    std::uint64_t low = to_number(token);
    std::uint64_t high = low;
    std::span<const std::uint8_t> rest = as_bytes(id);
    for (; rest.size() >= 16; rest = rest.subspan(16)) {
        low ^= scramble_low(load_le<std::uint64_t>(rest.data()));
        low = (std::rotl(low, 27) + high) * 5 + 0x52DCE729;
        high ^= scramble_high(load_le<std::uint64_t>(rest.data() + 8));
        high = (std::rotl(high, 31) + low) * 5 + 0x38495AB5;
    }
    std::uint8_t tail[16] = {};
    std::copy(rest.begin(), rest.end(), tail);
    low ^= scramble_low(load_le<std::uint64_t>(tail)) ^ id.size();
    high ^= scramble_high(load_le<std::uint64_t>(tail + 8)) ^ id.size();
    low += high;
    high += low;
    low = finish(low);
    high = finish(high);
    low += high;
    return {low, high + low};
}

DedupWindow::DedupWindow(Milliseconds window, std::size_t max_entries)
    : window_(window), max_entries_(max_entries) {}

void DedupWindow::set_window(Milliseconds window) {
    window_ = window;
    if (window_ <= Milliseconds(0)) {
        order_.clear();
        accepted_.clear();
    }
}

bool DedupWindow::contains(TokenId token, std::string_view id, WallTime now) {
    trim(now);
    const auto found = accepted_.find(key_of(token, id));
    return found != accepted_.end() && found->second + window_ > now;
}

void DedupWindow::remember(TokenId token, std::string_view id, WallTime accepted) {
    if (window_ <= Milliseconds(0) || max_entries_ == 0) return;
    const Key key = key_of(token, id);
    order_.push_back({key, token, accepted});
    accepted_[key] = accepted;
    trim(accepted);
}

void DedupWindow::forget(TokenId token, std::string_view id) {
    accepted_.erase(key_of(token, id));
}

void DedupWindow::forget(TokenId token) {
    for (const Entry& entry : order_) {
        if (entry.token == token) accepted_.erase(entry.key);
    }
    std::erase_if(order_, [token](const Entry& entry) { return entry.token == token; });
}

void DedupWindow::trim(WallTime now) {
    while (!order_.empty() &&
           (order_.size() > max_entries_ || order_.front().accepted + window_ <= now)) {
        const Entry& oldest = order_.front();
        // A later entry of the same id keeps it.
        const auto found = accepted_.find(oldest.key);
        if (found != accepted_.end() && found->second == oldest.accepted) accepted_.erase(found);
        order_.pop_front();
    }
}

}  // namespace flowrelay::core
