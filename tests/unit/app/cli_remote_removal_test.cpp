#include "cli/remote_removal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace flowrelay::cli {
namespace {

using ::testing::HasSubstr;

TEST(RemoteRemoval, ChoosesExactlyOneSource) {
    const std::vector<ListedSource> sources{{"1", "ci"}, {"2", "web"}, {"3", "ci"}, {"", "lost"}};
    std::string problem;
    EXPECT_EQ(choose_source(sources, "", "web", problem)->id, "2");
    EXPECT_EQ(choose_source(sources, "3", "web", problem)->id, "3");
    for (const auto& [id, title] : {std::pair{"", "ci"}, {"", "no"}, {"9", "web"}, {"", "lost"}}) {
        EXPECT_FALSE(choose_source(sources, id, title, problem)) << id << title;
        EXPECT_THAT(problem, HasSubstr("--source-id; there are 1 (ci), 2 (web), 3 (ci)"));
    }
    EXPECT_FALSE(choose_source({}, "", "ci", problem));
    EXPECT_EQ(problem, "the flow has no source ci");
}

}  // namespace
}  // namespace flowrelay::cli
