#include "flowrelay/core/status_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace flowrelay::core {
namespace {

// https://www.iana.org/assignments/http-status-codes, the final ones.
const std::vector<int> registered{200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301,
                                  302, 303, 304, 305, 306, 307, 308, 400, 401, 402, 403, 404,
                                  405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416,
                                  417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451,
                                  500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511};

TEST(StatusTable, HasARowForEachStatusOfTheRegistry) {
    std::vector<int> rows;
    for (const auto& row : status_table()) rows.push_back(row.status);
    EXPECT_EQ(rows, registered);
}

TEST(StatusTable, RefusesForGoodOnlyWhatCanBeAboutOneEvent) {
    std::vector<int> rejected;
    for (int status = 0; status < 1000; ++status) {
        const bool is_registered = std::ranges::binary_search(registered, status);
        if (verdict_of_status(status) != Verdict::rejected) continue;
        if (is_registered) {
            rejected.push_back(status);
        } else {
            EXPECT_EQ(status / 100, 4) << status;
        }
    }
    EXPECT_EQ(rejected, (std::vector{400, 409, 413, 415, 422, 431}));
}

TEST(StatusTable, IsThatOfTheClassForOthers) {
    EXPECT_EQ(verdict_of_status(299), Verdict::delivered);
    EXPECT_EQ(verdict_of_status(399), Verdict::park_destination);
    EXPECT_EQ(verdict_of_status(499), Verdict::rejected);
    EXPECT_EQ(verdict_of_status(599), Verdict::retry);
    EXPECT_EQ(verdict_of_status(999), Verdict::retry);
    EXPECT_EQ(verdict_of_status(101), Verdict::retry);
    EXPECT_EQ(verdict_of_status(0), Verdict::retry);
    EXPECT_EQ(verdict_of_status(-1), Verdict::retry);
}

}  // namespace
}  // namespace flowrelay::core
