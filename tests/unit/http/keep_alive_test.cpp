#include "flowrelay/http/keep_alive.hpp"

#include <gtest/gtest.h>

namespace flowrelay::http {
namespace {

TEST(KeepAlive, TheServerCanShortenTheTime) {
    EXPECT_EQ(keep_alive_time("timeout=5, max=100", Seconds(45)), Seconds(4));
    EXPECT_EQ(keep_alive_time("max=100 ,\tTimeout=20", Seconds(45)), Seconds(19));
    EXPECT_EQ(keep_alive_time("timeout=2", Seconds(45)), Milliseconds(1500));
    EXPECT_EQ(keep_alive_time("timeout=0", Seconds(45)), Milliseconds(0));
}

TEST(KeepAlive, ButNotLengthenIt) {
    EXPECT_EQ(keep_alive_time("timeout=3600", Seconds(45)), Seconds(45));
    EXPECT_EQ(keep_alive_time("timeout=4294967295", Seconds(45)), Seconds(45));
}

TEST(KeepAlive, WhatCannotBeReadCountsForNothing) {
    for (const auto* field : {"", ",", "timeout", "timeout=", "timeout=-1", "timeout=5s", "max=3",
                              "timeout=99999999999", "xtimeout=5"}) {
        EXPECT_EQ(keep_alive_time(field, Seconds(45)), Seconds(45)) << field;
    }
}

}  // namespace
}  // namespace flowrelay::http
