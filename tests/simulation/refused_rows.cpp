#include "refused_rows.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace flowrelay::test {

RefusedRows::Refused RefusedRows::those(std::size_t slot, bool lately) const {
    Refused found;
    std::ranges::copy_if(refused_, std::back_inserter(found), [&](const Refusal& one) {
        return one.slot == slot && (!lately || one.deliveries == deliveries_);
    });
    return found;
}

bool RefusedRows::is_tokens(const Refused& refused, const Threads& threads) const {
    std::set<std::uint64_t> seen;
    for (const Refusal& one : refused) seen.insert(one.thread);
    if (seen.size() >= 5) return true;
    const auto events = std::ranges::count(refused, false, &Refusal::again);
    if (events < 50 || !threads) return false;
    return std::ranges::all_of(*threads, [&](auto thread) { return seen.contains(thread); });
}

bool RefusedRows::is_destinations() const {
    std::set<std::size_t> slots;
    std::set<std::pair<std::size_t, std::uint64_t>> threads;
    for (const Refusal& one : refused_) {
        if (one.deliveries != deliveries_) continue;
        slots.insert(one.slot);
        threads.emplace(one.slot, one.thread);
    }
    return slots.size() >= 2 && (threads.size() >= 5 || wide_lately_.size() >= 2);
}

RefusedRows::Found RefusedRows::refused(std::size_t slot, std::uint64_t thread, Seq seq,
                                        const Threads& threads) {
    const auto is_it = [&](const Refusal& one) {
        return one.slot == slot && one.seq == seq && one.is_letter;
    };
    const bool again = std::ranges::any_of(refused_, is_it);
    for (Refusal& one : refused_) {
        if (is_it(one)) one.is_letter = false;
    }
    refused_.push_back({slot, thread, seq, true, again, deliveries_});
    if (is_tokens(those(slot, true), threads)) wide_lately_.insert(slot);
    const bool of_token = is_tokens(those(slot, false), threads);
    const bool of_all = is_destinations();
    Found found;
    if (!of_token && !of_all) return found;
    found.whose = of_all ? Whose::destination : Whose::token;
    for (Refusal& one : refused_) {
        const bool is_of_it =
            (of_token && one.slot == slot) || (of_all && one.deliveries == deliveries_);
        if (!one.is_letter || !is_of_it) continue;
        one.is_letter = false;
        if (one.seq != seq) found.go_back.insert(one.seq);
    }
    return found;
}

void RefusedRows::delivered(std::size_t slot) {
    ++deliveries_;
    wide_lately_.clear();
    std::erase_if(refused_, [slot](const Refusal& one) { return one.slot == slot; });
}

void RefusedRows::forget(std::size_t slot) {
    wide_lately_.erase(slot);
    std::erase_if(refused_, [slot](const Refusal& one) { return one.slot == slot; });
}

void RefusedRows::forget_all() {
    wide_lately_.clear();
    refused_.clear();
}

}  // namespace flowrelay::test
