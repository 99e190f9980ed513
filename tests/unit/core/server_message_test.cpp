#include "flowrelay/core/server_message.hpp"

#include <gtest/gtest.h>

namespace flowrelay::core {
namespace {

const Secret token("t0ken");

TEST(ServerMessage, ReadsMessageAndErrors) {
    const auto said = read_server_message(
        R"({"message":"Validation error","errors":{"content":["can't be blank"]}})", token);
    EXPECT_EQ(said.message, "Validation error");
    EXPECT_EQ(said.errors, R"({"content":["can't be blank"]})");
}

TEST(ServerMessage, TakesErrorForMessageWhereThereIsNone) {
    EXPECT_EQ(read_server_message(R"({"error":"no"})", token).message, "no");
    EXPECT_EQ(read_server_message(R"({"error":"no","message":"yes"})", token).message, "yes");
}

TEST(ServerMessage, DoesNotRepeatTheToken) {
    const auto said = read_server_message(
        R"({"message":"t0ken is bad","errors":{"flow_token":["t0ken"]}})", token);
    EXPECT_EQ(said.message, "[token] is bad");
    EXPECT_EQ(said.errors, R"({"flow_token":["[token]"]})");
    EXPECT_EQ(read_server_message("plain t0ken", token).message, "plain [token]");
}

TEST(ServerMessage, IsOneLineOfBoundedLength) {
    const auto said = read_server_message("a\nb\r\tc", token);
    EXPECT_EQ(said.message, "a b  c");
    EXPECT_EQ(read_server_message(std::string(5000, 'x'), token).message.size(), 500U);
    std::string umlauts;
    for (int i = 0; i < 400; ++i) umlauts += "\xC3\xA4";
    const auto cut = read_server_message("x" + umlauts, token).message;
    EXPECT_EQ(cut.size(), 499U) << "no half characters";
}

TEST(ServerMessage, LeavesPagesOut) {
    EXPECT_EQ(read_server_message("<html><body>Bad gateway</body></html>", token).message, "");
    EXPECT_EQ(read_server_message("", token).message, "");
}

TEST(ServerMessage, DropsErrorsThatAreTooLong) {
    const auto said =
        read_server_message(R"({"errors":{"a":")" + std::string(5000, 'x') + "\"}}", token);
    EXPECT_LT(said.errors.size(), 100U);
}

}  // namespace
}  // namespace flowrelay::core
