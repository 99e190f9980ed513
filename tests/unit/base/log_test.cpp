#include "flowrelay/base/log.hpp"

#include <gtest/gtest.h>

namespace flowrelay {
namespace {

constexpr LogEvent something{"test.something", Severity::info, "something happened"};

template <class T>
bool field_holds(const LogField& field) {
    return std::holds_alternative<T>(field.value);
}

TEST(Severity, HasANameForEachLevel) {
    EXPECT_EQ(to_string(Severity::debug), "debug");
    EXPECT_EQ(to_string(Severity::info), "info");
    EXPECT_EQ(to_string(Severity::notice), "notice");
    EXPECT_EQ(to_string(Severity::warning), "warning");
    EXPECT_EQ(to_string(Severity::error), "error");
    EXPECT_EQ(to_string(Severity::critical), "critical");
}

TEST(LogField, KeepsTheKindOfItsValue) {
    EXPECT_TRUE(field_holds<std::string_view>({"k", "text"}));
    EXPECT_TRUE(field_holds<std::string_view>({"k", std::string("text")}));
    EXPECT_TRUE(field_holds<bool>({"k", true}));
    EXPECT_TRUE(field_holds<std::int64_t>({"k", -1}));
    EXPECT_TRUE(field_holds<std::uint64_t>({"k", std::size_t{1}}));
    EXPECT_TRUE(field_holds<double>({"k", 0.5}));
}

TEST(NullLog, TakesNothing) {
    NullLog log;
    EXPECT_FALSE(log.enabled(Severity::critical));
    log.write(something, {{"answer", 42}});
    log.write(something);
}

}  // namespace
}  // namespace flowrelay
