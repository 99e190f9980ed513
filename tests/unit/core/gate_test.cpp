#include "core/gate.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core::scheduling {
namespace {

using std::chrono::seconds;

constexpr MonoTime gate_start{seconds(100)};

TEST(GateTest, OpenAdmitsAll) {
    Gate gate;
    EXPECT_TRUE(gate.admits(gate_start));
    const auto pass = gate.enter();
    EXPECT_FALSE(pass.probe);
    EXPECT_TRUE(gate.admits(gate_start));
    EXPECT_EQ(gate.inside(), 1U);
    gate.leave(pass);
    EXPECT_EQ(gate.inside(), 0U);
}

TEST(GateTest, ClosedAdmitsNobodyBeforeItsTime) {
    Gate gate;
    gate.close(gate_start + seconds(1));
    EXPECT_FALSE(gate.admits(gate_start));
    EXPECT_TRUE(gate.admits(gate_start + seconds(1)));
    EXPECT_EQ(gate.closed_until(), gate_start + seconds(1));
}

TEST(GateTest, ClosedAdmitsOneProbeAtATime) {
    Gate gate;
    gate.close(gate_start);
    const auto probe = gate.enter();
    EXPECT_TRUE(probe.probe);
    EXPECT_FALSE(gate.admits(gate_start));
    gate.leave(probe);
    EXPECT_TRUE(gate.admits(gate_start));
}

TEST(GateTest, ClosingMakesThoseInsideOutdated) {
    Gate gate;
    const auto before = gate.enter();
    EXPECT_TRUE(gate.is_current(before));
    gate.close(gate_start);
    EXPECT_FALSE(gate.is_current(before));
    EXPECT_EQ(gate.inside(), 0U);
    const auto probe = gate.enter();
    gate.leave(before);
    EXPECT_EQ(gate.inside(), 1U);
    EXPECT_TRUE(gate.has_probe());
    EXPECT_TRUE(gate.is_current(probe));
}

TEST(GateTest, TheyStayOutdatedWhenItOpensAgain) {
    Gate gate;
    const auto before = gate.enter();
    gate.close(gate_start);
    const auto probe = gate.enter();
    gate.leave(probe);
    gate.open();
    EXPECT_FALSE(gate.closed_until());
    EXPECT_FALSE(gate.is_current(before));
    EXPECT_TRUE(gate.is_current(gate.enter()));
}

TEST(GateTest, ClosingAnewKeepsTheProbeCurrent) {
    Gate gate;
    gate.close(gate_start);
    const auto probe = gate.enter();
    gate.close(gate_start + seconds(5));
    EXPECT_TRUE(gate.is_current(probe));
    EXPECT_FALSE(gate.admits(gate_start + seconds(5))) << "the probe is still out";
    gate.leave(probe);
    EXPECT_TRUE(gate.admits(gate_start + seconds(5)));
}

TEST(GateTest, ExtendingNeverShortens) {
    Gate gate;
    gate.close(gate_start + seconds(5));
    gate.extend(gate_start + seconds(3));
    EXPECT_EQ(gate.until(), gate_start + seconds(5));
    gate.extend(gate_start + seconds(8));
    EXPECT_EQ(gate.until(), gate_start + seconds(8));
}

}  // namespace
}  // namespace flowrelay::core::scheduling
