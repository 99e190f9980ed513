#include "flowrelay/app/systemd.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

namespace flowrelay::app {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

/// The service manager's end of the socket.
class Receiver {
public:
    explicit Receiver(const std::string& address)
        : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
        sockaddr_un own{};
        own.sun_family = AF_UNIX;
        std::memcpy(own.sun_path, address.data(), address.size());
        if (address.front() == '@') own.sun_path[0] = '\0';
        const auto length =
            static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&own), length) != 0) {
            throw std::runtime_error("bind");
        }
    }
    ~Receiver() { ::close(fd_); }

    std::string receive() const {
        std::array<char, 4096> bytes{};
        const ssize_t size = ::recv(fd_, bytes.data(), bytes.size(), 0);
        return size < 0 ? "(nothing)" : std::string(bytes.data(), static_cast<std::size_t>(size));
    }

private:
    int fd_;
};

class Systemd : public ::testing::Test {
protected:
    Systemd() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "flowrelay-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID",
                                 "LISTEN_FDS", "LISTEN_FDNAMES"}) {
            ::unsetenv(name);
        }
    }
    ~Systemd() override { std::filesystem::remove_all(directory_); }

    std::string directory_;
};

TEST_F(Systemd, DoesNothingWithoutAManager) {
    ServiceNotifier notifier = ServiceNotifier::from_environment();
    EXPECT_FALSE(notifier.connected());
    EXPECT_EQ(notifier.watchdog_interval(), std::nullopt);
    notifier.ready();
    notifier.status("fine");
    notifier.reloading();
    notifier.stopping();
    notifier.watchdog();
}

TEST_F(Systemd, ReportsEachState) {
    const std::string path = directory_ + "/notify";
    const Receiver manager(path);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ServiceNotifier notifier = ServiceNotifier::from_environment();
    EXPECT_TRUE(notifier.connected());
    EXPECT_EQ(::getenv("NOTIFY_SOCKET"), nullptr);
    notifier.ready();
    EXPECT_EQ(manager.receive(), "READY=1");
    notifier.status("queued 3\ndelivered 4");
    EXPECT_EQ(manager.receive(), "STATUS=queued 3 delivered 4");
    notifier.status(std::string(4000, 'x'));
    EXPECT_EQ(manager.receive().size(), 512U);
    notifier.reloading();
    EXPECT_THAT(manager.receive(), MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
    notifier.watchdog();
    EXPECT_EQ(manager.receive(), "WATCHDOG=1");
    notifier.stopping();
    EXPECT_EQ(manager.receive(), "STOPPING=1");
    EXPECT_EQ(manager.receive(), "(nothing)");
}

TEST_F(Systemd, UsesAbstractSockets) {
    const std::string address = "@flowrelay-test-" + std::to_string(::getpid());
    const Receiver manager(address);
    ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
    ServiceNotifier first = ServiceNotifier::from_environment();
    ServiceNotifier notifier = std::move(first);
    notifier.ready();
    EXPECT_EQ(manager.receive(), "READY=1");
}

TEST_F(Systemd, IgnoresAnInvalidAddress) {
    for (const std::string& address :
         {std::string(""), std::string("relative"), directory_ + "/none", std::string(200, '/')}) {
        ::setenv("NOTIFY_SOCKET", address.c_str(), 1);
        EXPECT_FALSE(ServiceNotifier::from_environment().connected()) << address;
    }
}

TEST_F(Systemd, SurvivesAManagerThatEnded) {
    const std::string path = directory_ + "/notify";
    auto manager = std::make_unique<Receiver>(path);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ServiceNotifier notifier = ServiceNotifier::from_environment();
    manager.reset();
    notifier.ready();
    notifier.watchdog();
    EXPECT_TRUE(notifier.connected());
}

TEST_F(Systemd, DoesNotBlockTheWatchdogThreadWhenTheManagerDoesNotRead) {
    const std::string path = directory_ + "/notify";
    const Receiver manager(path);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ServiceNotifier notifier = ServiceNotifier::from_environment();
    const auto before = std::chrono::steady_clock::now();
    for (int i = 0; i < 20000; ++i) notifier.watchdog();
    EXPECT_LT(std::chrono::steady_clock::now() - before, Seconds(5));
}

TEST_F(Systemd, ReadsTheWatchdogInterval) {
    const auto interval = [](const char* usec, const std::string& pid) {
        ::setenv("WATCHDOG_USEC", usec, 1);
        if (pid.empty()) {
            ::unsetenv("WATCHDOG_PID");
        } else {
            ::setenv("WATCHDOG_PID", pid.c_str(), 1);
        }
        return ServiceNotifier::from_environment().watchdog_interval();
    };
    const std::string own = std::to_string(::getpid());
    EXPECT_EQ(interval("30000000", own), Seconds(30));
    EXPECT_EQ(interval("30000000", ""), Seconds(30));
    EXPECT_EQ(interval("30000000", "1"), std::nullopt);
    EXPECT_EQ(interval("0", own), std::nullopt);
    EXPECT_EQ(interval("soon", own), std::nullopt);
    EXPECT_EQ(interval("18446744073709551615", own), std::nullopt);
    EXPECT_EQ(::getenv("WATCHDOG_USEC"), nullptr);
    EXPECT_EQ(::getenv("WATCHDOG_PID"), nullptr);
}

TEST_F(Systemd, ReturnsNoSocketsWithoutActivation) {
    EXPECT_TRUE(take_passed_sockets().value().empty());
    ::setenv("LISTEN_PID", "1", 1);
    ::setenv("LISTEN_FDS", "1", 1);
    EXPECT_TRUE(take_passed_sockets().value().empty());
    EXPECT_EQ(::getenv("LISTEN_FDS"), nullptr);
}

TEST_F(Systemd, RefusesAnInvalidNumberOfSockets) {
    for (const char* count : {"-1", "many", "1000000", ""}) {
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", count, 1);
        const auto sockets = take_passed_sockets();
        ASSERT_FALSE(sockets) << count;
        EXPECT_THAT(sockets.error().message, HasSubstr("is not a number of sockets"));
    }
}

/// Runs in a child process, where it can place descriptors freely. The exit status is the result.
int passed_sockets_in_child() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const int other = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const int high = ::fcntl(fd, F_DUPFD, 20);
    const int high_other = ::fcntl(other, F_DUPFD, 20);
    ::dup2(high, 3);
    ::dup2(high_other, 4);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "2", 1);
    ::setenv("LISTEN_FDNAMES", "ingest", 1);
    const auto sockets = take_passed_sockets();
    if (!sockets || sockets->size() != 2) return 1;
    if ((*sockets)[0].fd != 3 || (*sockets)[0].name != "ingest") return 2;
    if ((*sockets)[1].fd != 4 || (*sockets)[1].name != "unknown") return 3;
    if ((::fcntl(3, F_GETFD) & FD_CLOEXEC) == 0) return 4;
    const auto again = take_passed_sockets();
    return again && again->empty() ? 0 : 5;
}

TEST_F(Systemd, TakesPassedSocketsOnce) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(passed_sockets_in_child());
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace flowrelay::app
