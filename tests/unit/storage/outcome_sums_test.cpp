#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "storage/segment_scan.hpp"

namespace flowrelay::storage {
namespace {

using core::Outcome;
using core::Settlement;

std::vector<Settlement> delivered(const std::vector<std::uint64_t>& seqs) {
    std::vector<Settlement> outcomes;
    for (const std::uint64_t seq : seqs) outcomes.push_back({Seq{seq}, Outcome::delivered});
    return outcomes;
}

TEST(OutcomeSums, AreRangesInAscendingOrder) {
    OutcomeSums sums;
    sums.add(delivered({7, 8, 9, 3, 20}));
    sums.add(delivered({10, 2}));
    EXPECT_EQ(sums.count(), 7U);
    EXPECT_EQ(sums.seqs(), (std::vector<SeqRange>{{Seq{2}, 2}, {Seq{7}, 4}, {Seq{20}, 1}}));
}

TEST(OutcomeSums, GoToTheBooksByTheirKind) {
    OutcomeSums sums;
    sums.add(std::vector<Settlement>{{Seq{1}, Outcome::delivered},
                                     {Seq{2}, Outcome::dead},
                                     {Seq{3}, Outcome::dead},
                                     {Seq{4}, Outcome::expired},
                                     {Seq{5}, Outcome::erased},
                                     {Seq{6}, Outcome::dropped}});
    core::Ledger ledger;
    ledger.delivered = 10;
    sums.settle_in(ledger);
    EXPECT_EQ(ledger, (core::Ledger{0, 11, 2, 1, 1, 1}));
}

TEST(OutcomeSums, MergeOnTheWayWithoutLosingAny) {
    // More ranges than are kept separately, in an order without neighbours.
    constexpr std::uint64_t many = 300'000;
    constexpr std::uint64_t stride = 7919;  // a prime that does not divide it
    Random random(1);
    OutcomeSums sums;
    std::set<std::uint64_t> left_out;
    for (int i = 0; i < 50; ++i) left_out.insert(random.below(many));
    for (std::uint64_t i = 0; i < many; ++i) {
        const std::uint64_t seq = i * stride % many;
        if (!left_out.contains(seq)) sums.add(delivered({seq}));
    }
    const auto ranges = sums.seqs();
    EXPECT_LE(ranges.size(), left_out.size() + 1);
    std::uint64_t covered = 0;
    for (const SeqRange& range : ranges) {
        covered += range.count;
        const auto inside = left_out.lower_bound(to_number(range.first));
        EXPECT_TRUE(inside == left_out.end() || *inside >= to_number(range.first) + range.count);
    }
    EXPECT_EQ(covered, sums.count());
}

}  // namespace
}  // namespace flowrelay::storage
