#include "cli/restore_owner.hpp"

#include <gtest/gtest.h>

#include <map>

namespace flowrelay::cli {
namespace {

const FileOwner owner_root{0, 0, "root"};
const FileOwner owner_flowrelay{998, 997, "flowrelay"};
const FileOwner owner_relay{1001, 1001, "relay"};
const FileOwner owner_ci{1002, 1002, "ci"};

/// The users of the host.
FindUser users_of(std::map<std::string, FileOwner> users) {
    users.emplace("root", owner_root);
    return [users = std::move(users)](const std::string& name) {
        const auto found = users.find(name);
        return found == users.end() ? std::nullopt : std::optional(found->second);
    };
}

const FindUser all_users =
    users_of({{"flowrelay", owner_flowrelay}, {"relay", owner_relay}, {"ci", owner_ci}});

TEST(RestoreOwner, TheFirstThatIsKnownAndNotRoot) {
    EXPECT_EQ(choose_owner({"ci", owner_relay, "relay", "flowrelay"}, all_users).value(), owner_ci);
    EXPECT_EQ(choose_owner({"root", owner_relay, "relay", "flowrelay"}, all_users).value(),
              owner_root);
    EXPECT_EQ(choose_owner({"", owner_relay, "ci", "flowrelay"}, all_users).value(), owner_relay);
    EXPECT_EQ(choose_owner({"", owner_root, "ci", "relay"}, all_users).value(), owner_ci);
    EXPECT_EQ(choose_owner({"", std::nullopt, "root", "relay"}, all_users).value(), owner_relay);
    EXPECT_EQ(choose_owner({"", std::nullopt, "stranger", "relay"}, all_users).value(),
              owner_relay);
    EXPECT_EQ(choose_owner({"", std::nullopt, "stranger", ""}, all_users).value(), owner_flowrelay);
    EXPECT_EQ(choose_owner({"", std::nullopt, "", ""}, all_users).value(), owner_flowrelay);
}

TEST(RestoreOwner, RootOnlyWhenTheBackupSaysSoAndNobodyElseIsThere) {
    const FindUser alone = users_of({});
    EXPECT_EQ(choose_owner({"", std::nullopt, "root", ""}, alone).value(), owner_root);
    EXPECT_EQ(choose_owner({"", owner_root, "root", ""}, alone).value(), owner_root);
    EXPECT_EQ(choose_owner({"", std::nullopt, "root", ""}, all_users).value(), owner_flowrelay);
    for (const char* recorded : {"", "flowrelay", "stranger"}) {
        const auto nobody = choose_owner({"", owner_root, recorded, "relay"}, alone);
        ASSERT_TRUE(nobody.has_error()) << recorded;
        EXPECT_NE(nobody.error().message.find("--user"), std::string::npos);
    }
}

TEST(RestoreOwner, ANumberNeedsNoUser) {
    const FileOwner container{54321, 54321, "54321"};
    EXPECT_EQ(choose_owner({"54321", owner_relay, "relay", ""}, all_users).value(), container);
    EXPECT_EQ(choose_owner({"", owner_root, "54321", ""}, users_of({})).value(), container);
    EXPECT_EQ(choose_owner({"", owner_root, "54321", ""}, all_users).value(), owner_flowrelay);
}

TEST(RestoreOwner, AUserThatIsNamedHasToBeThere) {
    const auto nobody = choose_owner({"stranger", owner_relay, "relay", "relay"}, all_users);
    ASSERT_TRUE(nobody.has_error());
    EXPECT_NE(nobody.error().message.find("no user stranger"), std::string::npos);
}

TEST(RestoreOwner, TheNumberThatStandsForNobodyIsNoUser) {
    EXPECT_TRUE(choose_owner({"4294967295", owner_relay, "relay", ""}, all_users).has_error());
    EXPECT_TRUE(choose_owner({"", owner_root, "4294967295", ""}, users_of({})).has_error());
}

TEST(RestoreOwner, UsersOfThisHostByNameAndNumber) {
    EXPECT_EQ(find_file_owner("root"), owner_root);
    EXPECT_EQ(find_file_owner("0"), owner_root);
    EXPECT_EQ(find_file_owner("no-such-user-here"), std::nullopt);
    EXPECT_EQ(find_file_owner(""), std::nullopt);
    EXPECT_EQ(owner_of("/proc/1").value().uid, 0U);
    EXPECT_EQ(owner_of("/nowhere"), std::nullopt);
}

}  // namespace
}  // namespace flowrelay::cli
