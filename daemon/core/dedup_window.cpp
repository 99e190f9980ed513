#include "flowrelay/core/dedup_window.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdint>
#include <limits>

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
        make_table();
    }
}

bool DedupWindow::contains(TokenId token, std::string_view id, WallTime now) {
    trim(now);
    if (known_ == 0) return false;
    const std::size_t slot = slot_of(key_of(token, id));
    return table_[slot] != 0 && entry_in(slot).accepted + window_ > now;
}

void DedupWindow::remember(TokenId token, std::string_view id, WallTime accepted) {
    if (window_ <= Milliseconds(0) || max_entries_ == 0) return;
    const bool numbers_end = first_ > std::numeric_limits<std::uint32_t>::max() - 2 - order_.size();
    if (numbers_end || 2 * (known_ + 1) > table_.size()) make_table();
    const Key key = key_of(token, id);
    order_.push_back({key, token, accepted});
    insert(key, first_ + static_cast<std::uint32_t>(order_.size() - 1));
    trim(accepted);
}

void DedupWindow::forget(TokenId token, std::string_view id) {
    if (known_ == 0) return;
    const std::size_t slot = slot_of(key_of(token, id));
    if (table_[slot] == 0) return;
    entry_in(slot).accepted = WallTime::min();
    empty_slot(slot);
}

void DedupWindow::forget(const std::unordered_set<TokenId>& tokens) {
    std::erase_if(order_, [&](const Entry& entry) { return tokens.contains(entry.token); });
    make_table();
}

std::unordered_set<TokenId> DedupWindow::tokens(WallTime now) const {
    std::unordered_set<TokenId> tokens;
    for (const Entry& entry : order_) {
        if (entry.accepted != WallTime::min() && entry.accepted + window_ > now) {
            tokens.insert(entry.token);
        }
    }
    return tokens;
}

void DedupWindow::trim(WallTime now) {
    while (!order_.empty() &&
           (order_.size() > max_entries_ || order_.front().accepted + window_ <= now)) {
        // A later entry with the same id keeps its slot.
        if (order_.front().accepted != WallTime::min()) {
            const std::size_t slot = slot_of(order_.front().key);
            if (table_[slot] == first_) empty_slot(slot);
        }
        order_.pop_front();
        ++first_;
    }
}

// --- the table -----------------------------------------------------------------------------------

/// Returns the slot of a key, or the empty slot where it belongs.
std::size_t DedupWindow::slot_of(const Key& key) noexcept {
    assert(known_ < table_.size());  // otherwise the search would not end
    const std::size_t mask = table_.size() - 1;
    std::size_t slot = static_cast<std::size_t>(key.low) & mask;
    while (table_[slot] != 0 && entry_in(slot).key != key) slot = (slot + 1) & mask;
    return slot;
}

void DedupWindow::insert(const Key& key, std::uint32_t number) noexcept {
    const std::size_t slot = slot_of(key);
    if (table_[slot] == 0) {
        ++known_;
    } else {
        entry_in(slot).accepted = WallTime::min();
    }
    table_[slot] = number;
}

/// Empties a slot, and moves later entries that would not be found after an empty slot.
void DedupWindow::empty_slot(std::size_t slot) noexcept {
    const std::size_t mask = table_.size() - 1;
    std::size_t next = slot;
    while (true) {
        next = (next + 1) & mask;
        if (table_[next] == 0) break;
        const std::size_t home = static_cast<std::size_t>(entry_in(next).key.low) & mask;
        if (((next - home) & mask) < ((next - slot) & mask)) continue;
        table_[slot] = table_[next];
        slot = next;
    }
    table_[slot] = 0;
    assert(known_ > 0);
    --known_;
}

/// Rebuilds the table with room for twice as many entries, numbered from 1.
void DedupWindow::make_table() {
    std::size_t known = 1;
    for (const Entry& entry : order_) known += entry.accepted != WallTime::min() ? 1 : 0;
    table_.assign(std::bit_ceil(std::max<std::size_t>(4 * known, 16)), 0);
    known_ = 0;
    first_ = 1;
    std::uint32_t number = first_;
    for (const Entry& entry : order_) {
        if (entry.accepted != WallTime::min()) insert(entry.key, number);
        ++number;
    }
}

}  // namespace flowrelay::core
