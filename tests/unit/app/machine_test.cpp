#include "flowrelay/app/machine.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>

#include "support/temporary_directory.hpp"

namespace flowrelay::app {
namespace {

class MachineTest : public testing::Test {
protected:
    Ownership owner(const std::string& id) {
        const auto found = find_owner(*fs_, directory_.file("."), id);
        EXPECT_TRUE(found.has_value());
        return found.has_value() ? *found : Ownership::ours;
    }

    test::TemporaryDirectory directory_;
    std::unique_ptr<storage::FileSystem> fs_ = storage::make_posix_file_system();
};

TEST_F(MachineTest, ASpoolBelongsToWhoClaimedItLast) {
    EXPECT_EQ(owner("a"), Ownership::ours) << "nobody's yet";
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "a").has_value());
    EXPECT_EQ(owner("a"), Ownership::ours);
    EXPECT_EQ(owner("b"), Ownership::moved);
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "b").has_value());
    EXPECT_EQ(owner("b"), Ownership::ours);
    EXPECT_EQ(owner("a"), Ownership::moved);
}

TEST_F(MachineTest, AMachineWithoutAnIdComparesNothing) {
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "a").has_value());
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "").has_value());
    EXPECT_EQ(owner(""), Ownership::ours);
    EXPECT_EQ(owner("b"), Ownership::moved);
}

TEST_F(MachineTest, ARestoredSpoolIsKnownUntilItIsClaimed) {
    ASSERT_TRUE(claim(*fs_, directory_.file("."), std::string(restored_mark)).has_value());
    EXPECT_EQ(owner("a"), Ownership::restored);
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "a").has_value());
    EXPECT_EQ(owner("a"), Ownership::ours);
}

TEST_F(MachineTest, ARestoredSpoolIsKnownAlsoToAMachineWithoutAnId) {
    ASSERT_TRUE(claim(*fs_, directory_.file("."), std::string(restored_mark)).has_value());
    EXPECT_EQ(owner(""), Ownership::restored);
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "").has_value());
    EXPECT_EQ(owner(""), Ownership::ours);
    EXPECT_EQ(owner("b"), Ownership::ours);
}

TEST_F(MachineTest, AClaimThatWasInterruptedIsMadeAgain) {
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "a").has_value());
    ASSERT_TRUE(fs_->create(directory_.file("machine.tmp")).has_value());
    ASSERT_TRUE(claim(*fs_, directory_.file("."), "b").has_value());
    EXPECT_EQ(owner("b"), Ownership::ours);
}

TEST(MachineId, IsAFingerprintOfTheFile) {
    const test::TemporaryDirectory directory;
    const std::string path = directory.file("machine-id");
    EXPECT_EQ(machine_id(Salt{}, path), "");
    std::ofstream(path) << "\n";
    EXPECT_EQ(machine_id(Salt{}, path), "");
    std::ofstream(path) << "0123456789abcdef0123456789abcdef\n";
    const std::string id = machine_id(Salt{}, path);
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find("0123456789abcdef"), std::string::npos);
    EXPECT_NE(machine_id(Salt{1}, path), id);
}

}  // namespace
}  // namespace flowrelay::app
