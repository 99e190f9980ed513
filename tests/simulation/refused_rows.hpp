// An independent implementation of what docs/protocol.md says about servers that permanently refuse
// everything, based on the list of all refusals.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "flowrelay/base/ids.hpp"

namespace flowrelay::test {

class RefusedRows {
public:
    enum class Whose { event, token, destination };
    struct Found {
        Whose whose = Whose::event;
        std::set<Seq> go_back;
    };
    /// Threads of the token with events in memory; nothing while more are being read.
    using Threads = std::optional<std::vector<std::uint64_t>>;

    Found refused(std::size_t slot, std::uint64_t thread, Seq seq, const Threads& threads);
    void delivered(std::size_t slot);
    void forget(std::size_t slot);
    void forget_all();

private:
    struct Refusal {
        std::size_t slot = 0;
        std::uint64_t thread = 0;
        Seq seq = Seq::none;
        bool is_letter = false;  ///< otherwise it is held
        bool again = false;      ///< it was held, and released
        std::uint64_t deliveries = 0;
    };
    using Refused = std::vector<Refusal>;

    Refused those(std::size_t slot, bool lately) const;
    bool is_tokens(const Refused& refused, const Threads& threads) const;
    bool is_destinations() const;

    Refused refused_;  ///< refusals of each slot since its last delivery
    std::set<std::size_t> wide_lately_;
    std::uint64_t deliveries_ = 0;
};

}  // namespace flowrelay::test
