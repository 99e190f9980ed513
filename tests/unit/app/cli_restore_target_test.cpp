#include "cli/restore_target.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <fstream>

#include "cli/backup_files.hpp"
#include "support/temporary_directory.hpp"

namespace flowrelay::cli {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

const bool as_root = ::geteuid() == 0;
/// Another user if this one can give files away, which only root can; otherwise this user.
const FileOwner receiver{as_root ? uid_t{4711} : ::geteuid(), as_root ? gid_t{4712} : ::getegid(),
                         "receiver"};

struct stat facts_of(const std::string& path) {
    struct stat facts{};
    EXPECT_EQ(::lstat(path.c_str(), &facts), 0) << path;
    return facts;
}

void write_file(const std::string& path) {
    std::ofstream(path) << "x";
}

class RestoreTargetTest : public testing::Test {
protected:
    test::TemporaryDirectory directory_;
    std::string state_ = directory_.file("state");
};

TEST_F(RestoreTargetTest, IsGivenToItsOwnerWithItsContents) {
    auto target = RestoreTarget::find(state_);
    ASSERT_TRUE(target.has_value());
    ASSERT_TRUE(target->take_over(receiver).has_value());
    EXPECT_EQ(facts_of(state_).st_uid, ::geteuid());
    fs::create_directory(state_ + "/spool");
    write_file(state_ + "/spool/a");
    ASSERT_TRUE(target->give_away(receiver).has_value());
    for (const char* name : {"", "/spool", "/spool/a"}) {
        EXPECT_EQ(facts_of(state_ + name).st_uid, receiver.uid) << name;
        EXPECT_EQ(facts_of(state_ + name).st_gid, receiver.gid) << name;
    }
    EXPECT_EQ(facts_of(state_).st_mode & 07777U, 0700U);
}

TEST_F(RestoreTargetTest, BelongsToRootWhileItIsFilled) {
    if (!as_root) return;  // only root can give directories away
    fs::create_directory(state_);
    ASSERT_EQ(::chown(state_.c_str(), 17, 18), 0);
    ASSERT_EQ(::chmod(state_.c_str(), 0750), 0);
    {
        auto target = RestoreTarget::find(state_);
        ASSERT_TRUE(target.has_value());
        ASSERT_TRUE(target->take_over(receiver).has_value());
        EXPECT_EQ(facts_of(state_).st_uid, 0U);
        EXPECT_EQ(facts_of(state_).st_mode & 07777U, 0700U);
        write_file(state_ + "/half");
    }
    // The directory was not given away and is unchanged.
    EXPECT_TRUE(fs::is_empty(state_));
    EXPECT_EQ(facts_of(state_).st_uid, 17U);
    EXPECT_EQ(facts_of(state_).st_gid, 18U);
    EXPECT_EQ(facts_of(state_).st_mode & 07777U, 0750U);
}

TEST_F(RestoreTargetTest, IsRemovedWhenItWasCreatedAndNotGivenAway) {
    const std::string deep = directory_.file("a") + "/b/state";
    {
        auto target = RestoreTarget::find(deep);
        ASSERT_TRUE(target.has_value());
        ASSERT_TRUE(target->take_over(receiver).has_value());
        EXPECT_TRUE(fs::is_directory(deep));
    }
    EXPECT_FALSE(fs::exists(directory_.file("a")));
}

TEST_F(RestoreTargetTest, HasParentsThatItsOwnerCanPass) {
    const std::string parent = directory_.file("a");
    auto target = RestoreTarget::find(parent + "/state");
    ASSERT_TRUE(target.has_value());
    ASSERT_TRUE(target->take_over(receiver).has_value());
    ASSERT_TRUE(target->give_away(receiver).has_value());
    EXPECT_EQ(facts_of(parent).st_uid, ::geteuid());
    EXPECT_EQ(facts_of(parent).st_gid, receiver.gid);
    EXPECT_EQ(facts_of(parent).st_mode & 07777U, as_root ? 0750U : 0700U);
}

TEST_F(RestoreTargetTest, MustBeEmptyExceptForFilesOfTheFileSystem) {
    fs::create_directories(state_ + "/lost+found");
    {
        auto target = RestoreTarget::find(state_);
        ASSERT_TRUE(target.has_value());
        ASSERT_TRUE(target->take_over(receiver).has_value());
        ASSERT_TRUE(target->give_away(receiver).has_value());
    }
    EXPECT_EQ(facts_of(state_ + "/lost+found").st_uid, ::geteuid());
    write_file(state_ + "/notes");
    const auto refused = RestoreTarget::find(state_);
    ASSERT_TRUE(refused.has_error());
    EXPECT_NE(refused.error().message.find("there is notes in it"), std::string::npos);
}

TEST_F(RestoreTargetTest, ChecksAgainAfterTakingOver) {
    fs::create_directory(state_);
    auto target = RestoreTarget::find(state_);
    ASSERT_TRUE(target.has_value());
    write_file(state_ + "/late");
    EXPECT_TRUE(target->take_over(receiver).has_error());
    EXPECT_TRUE(fs::exists(state_ + "/late"));
}

TEST_F(RestoreTargetTest, FollowsALinkToAMissingDirectory) {
    fs::create_directory_symlink("private/flowrelay", state_);
    const auto target = RestoreTarget::find(state_ + "/");
    ASSERT_TRUE(target.has_value());
    EXPECT_EQ(target->path(), directory_.file("private") + "/flowrelay");
    if (!as_root) return;
    ASSERT_EQ(::lchown(state_.c_str(), 17, 18), 0);
    const auto refused = RestoreTarget::find(state_);
    ASSERT_TRUE(refused.has_error());
    EXPECT_NE(refused.error().message.find("a link of another user"), std::string::npos);
}

TEST(BackupFiles, HaveModesInOctal) {
    EXPECT_EQ(parse_mode("0600"), 0600U);
    EXPECT_EQ(parse_mode("640"), 0640U);
    for (const char* wrong : {"", "0x1a4", "0689", "4755", "1777", "-1", " 600", "600 ", "rw",
                              "77777777777777777777"}) {
        EXPECT_EQ(parse_mode(wrong), std::nullopt) << wrong;
    }
}

TEST(BackupFiles, AreOnlyThoseThatABackupCanHave) {
    const auto read = [](const json::object& file) {
        return files_of(json::object{{"files", json::array{file}}});
    };
    const json::object good{{"path", "/etc/a"},
                            {"copy", "files/etc/a"},
                            {"mode", "0640"},
                            {"owner", "root"},
                            {"group", "flowrelay"}};
    const BackupFile expected{"/etc/a", "files/etc/a", 0640, "root", "flowrelay"};
    ASSERT_TRUE(read(good).has_value());
    EXPECT_EQ(read(good)->front(), expected);
    EXPECT_TRUE(expected.is_private());
    EXPECT_TRUE(files_of({}).value().empty());
    const auto with = [&](const char* member, const char* value) {
        json::object file = good;
        file[member] = value;
        return file;
    };
    EXPECT_EQ(read(with("mode", ""))->front().mode, 0600U);
    EXPECT_FALSE(read(with("mode", "0644"))->front().is_private());
    for (const auto& wrong : {with("mode", "nonsense"), with("path", "etc/a"), with("path", ""),
                              with("path", "/etc/../etc/a"), with("copy", "files/../../x"),
                              with("copy", "state/tokens")}) {
        EXPECT_TRUE(read(wrong).has_error());
    }
}

}  // namespace
}  // namespace flowrelay::cli
