#include "flowrelay/runtime/peer.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace flowrelay::runtime {
namespace {

TEST(Peer, IsWhoTheKernelSays) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const auto peer = peer_of(ends[0]);
    ASSERT_TRUE(peer.has_value());
    EXPECT_EQ(peer->uid, ::geteuid());
    EXPECT_EQ(peer->pid, ::getpid());
    EXPECT_TRUE(peer->is_in(::getegid()));
    EXPECT_EQ(uid_of(ends[0]), ::geteuid());
    const auto submitter = submitter_of(ends[0]);
    ASSERT_TRUE(submitter.producer.has_value());
    EXPECT_EQ(submitter.producer->pid, static_cast<std::uint32_t>(::getpid()));
    ::close(ends[0]);
    ::close(ends[1]);
}

// The case of a relay in a container and a producer outside it.
TEST(Peer, OfAnotherPidNamespaceHasAUidAllTheSame) {
    enum Outcome { right, no_peer, wrong_uid, wrong_pid, not_permitted };
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    const pid_t outside = ::fork();
    ASSERT_GE(outside, 0);
    if (outside == 0) {
        const bool made =
            ::unshare(CLONE_NEWPID) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
        if (!made) ::_exit(not_permitted);
        const pid_t inside = ::fork();
        if (inside == 0) {
            const auto peer = peer_of(ends[0]);
            if (!peer || !submitter_of(ends[0]).producer) ::_exit(no_peer);
            if (peer->uid != ::geteuid() || uid_of(ends[0]) != ::geteuid()) ::_exit(wrong_uid);
            ::_exit(peer->pid == 0 ? right : wrong_pid);
        }
        int status = 0;
        ::waitpid(inside, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : no_peer);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(outside, &status, 0), outside);
    ::close(ends[0]);
    ::close(ends[1]);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), right) << "4: takes the right to make a PID namespace";
}

TEST(Peer, IsNotKnownOverTcp) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_GE(fd, 0);
    EXPECT_FALSE(peer_of(fd).has_value());
    EXPECT_FALSE(uid_of(fd).has_value());
    EXPECT_FALSE(submitter_of(fd).producer.has_value());
    ::close(fd);
}

TEST(UnitInCgroup, IsTheOutermostUnit) {
    EXPECT_EQ(unit_in_cgroup("0::/system.slice/cron.service\n"), "cron.service");
    EXPECT_EQ(unit_in_cgroup("0::/user.slice/user-1000.slice/session-3.scope\n"),
              "session-3.scope");
    EXPECT_EQ(unit_in_cgroup("0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
                             "app-x.service\n"),
              "user@1000.service");
    EXPECT_EQ(unit_in_cgroup("0::/system.slice/docker-1.scope/inner\n"), "docker-1.scope");
}

TEST(UnitInCgroup, IsEmptyWhereThereIsNone) {
    EXPECT_EQ(unit_in_cgroup(""), "");
    EXPECT_EQ(unit_in_cgroup("0::/\n"), "");
    EXPECT_EQ(unit_in_cgroup("0::/user.slice\n"), "");
    EXPECT_EQ(unit_in_cgroup("nonsense"), "");
    EXPECT_EQ(unit_in_cgroup("0::/" + std::string(300, 'a') + ".service\n"), "");
}

// Users with their own systemd choose the names below it.
TEST(UnitInCgroup, IsNotWhatAUserCallsHisCgroups) {
    const std::string below = "0::/user.slice/user-1000.slice/user@1000.service/";
    for (const std::string name : {"cron.service", "app.slice/flowrelayd.service", "\xFF.service",
                                   "a\"b.service", "a\tb.service", "x.slice/y.scope"}) {
        EXPECT_EQ(unit_in_cgroup(below + name + "\n"), "user@1000.service") << name;
        EXPECT_EQ(unit_in_cgroup("0::/system.slice/ci.service/" + name + "\n"), "ci.service");
    }
    for (const std::string name : {"\xFF.service", "a\"b.service", "a b.service", "\x01.scope",
                                   ".service", "{}.service", "\xC3\xA9.service"}) {
        EXPECT_EQ(unit_in_cgroup("0::/" + name + "\n"), "") << name;
    }
    EXPECT_EQ(unit_in_cgroup("0::/system.slice/a\\x2db:c-d_e.f@g.service\n"),
              "a\\x2db:c-d_e.f@g.service");
}

TEST(UnitInCgroup, IsFoundInTheOldHierarchyToo) {
    EXPECT_EQ(unit_in_cgroup("12:cpu:/other.service\n1:name=systemd:/system.slice/cron.service\n"),
              "cron.service");
}

TEST(FindUserAndGroup, KnowNamesAndNumbers) {
    EXPECT_EQ(find_user("root"), 0U);
    EXPECT_EQ(find_user("4711"), 4711U);
    EXPECT_EQ(find_group("root"), 0U);
    EXPECT_EQ(find_group("4711"), 4711U);
    EXPECT_FALSE(find_user("no such user").has_value());
    EXPECT_FALSE(find_group("no such group").has_value());
    EXPECT_FALSE(find_user("").has_value());
    EXPECT_FALSE(find_user("99999999999").has_value());
}

}  // namespace
}  // namespace flowrelay::runtime
