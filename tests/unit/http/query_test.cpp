#include <gtest/gtest.h>

#include "flowrelay/http/request_reader.hpp"

namespace flowrelay::http {
namespace {

TEST(QueryParameter, IsFoundAmongOthers) {
    EXPECT_EQ(query_parameter("a=1&flow_token=abc&b=2", "flow_token"), "abc");
}

TEST(QueryParameter, IsEmptyWhenAbsentOrWithoutValue) {
    EXPECT_EQ(query_parameter("", "flow_token"), "");
    EXPECT_EQ(query_parameter("flow_token_x=1&x", "flow_token"), "");
    EXPECT_EQ(query_parameter("flow_token", "flow_token"), "");
    EXPECT_EQ(query_parameter("flow_token=", "flow_token"), "");
}

TEST(QueryParameter, FirstCounts) {
    EXPECT_EQ(query_parameter("t=1&t=2", "t"), "1");
}

TEST(QueryParameter, IsPercentDecoded) {
    EXPECT_EQ(query_parameter("t=a%20b+c%2Bd%3d", "t"), "a b c+d=");
    EXPECT_EQ(query_parameter("flow%5Ftoken=x", "flow_token"), "x");
}

TEST(QueryParameter, KeepsPercentSignsThatEscapeNothing) {
    EXPECT_EQ(query_parameter("t=100%", "t"), "100%");
    EXPECT_EQ(query_parameter("t=%4", "t"), "%4");
    EXPECT_EQ(query_parameter("t=%zz", "t"), "%zz");
}

TEST(QueryParameter, ValueMayHoldEqualsSigns) {
    EXPECT_EQ(query_parameter("t=a=b", "t"), "a=b");
}

}  // namespace
}  // namespace flowrelay::http
