#include "app/passed_sockets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdexcept>

namespace flowrelay::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Creates sockets as systemd does; they are closed at the end of the test.
class SortPassedSockets : public ::testing::Test {
protected:
    int make(int family, int type, bool listens) {
        const int fd = ::socket(family, type | SOCK_CLOEXEC, 0);
        sockaddr_storage address{};
        address.ss_family = static_cast<sa_family_t>(family);
        // A Unix socket without a name gets one from the kernel (unix(7), autobind).
        const socklen_t size = family == AF_UNIX ? sizeof(sa_family_t) : sizeof(sockaddr_in);
        EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
        if (listens) {
            EXPECT_EQ(::listen(fd, 1), 0);
        }
        fds_.push_back(fd);
        return fd;
    }
    int listening() { return make(AF_UNIX, SOCK_STREAM, true); }

    static std::string refusal(int fd, const std::string& name) {
        try {
            sort_passed_sockets({{fd, name}});
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "none";
    }

    ~SortPassedSockets() override {
        for (const int fd : fds_) ::close(fd);
    }

private:
    std::vector<int> fds_;
};

TEST_F(SortPassedSockets, AcceptsNone) {
    const PassedSockets sorted = sort_passed_sockets({});
    EXPECT_THAT(sorted.ingest, IsEmpty());
    EXPECT_THAT(sorted.control, IsEmpty());
}

TEST_F(SortPassedSockets, SortsByName) {
    const int ingest = listening();
    const int control = listening();
    const int unnamed = listening();
    const int by_unit = listening();
    const int tcp = make(AF_INET, SOCK_STREAM, true);
    const PassedSockets sorted = sort_passed_sockets({{control, "control"},
                                                      {ingest, "ingest"},
                                                      {unnamed, "unknown"},
                                                      {by_unit, "flowrelayd.socket"},
                                                      {tcp, "ingest"}});
    EXPECT_THAT(sorted.ingest, ElementsAre(ingest, unnamed, by_unit, tcp));
    EXPECT_THAT(sorted.control, ElementsAre(control));
}

TEST_F(SortPassedSockets, RefusesEverythingButListeningStreamSockets) {
    EXPECT_THAT(refusal(make(AF_UNIX, SOCK_DGRAM, false), "ingest"), HasSubstr("ListenStream="));
    EXPECT_THAT(refusal(make(AF_INET, SOCK_DGRAM, false), "ingest"), HasSubstr("ListenStream="));
    EXPECT_THAT(refusal(make(AF_UNIX, SOCK_SEQPACKET, true), "control"),
                HasSubstr("ListenStream="));
    EXPECT_THAT(refusal(make(AF_UNIX, SOCK_STREAM, false), "ingest"), HasSubstr("Accept=no"));
    int pipe_ends[2];
    ASSERT_EQ(::pipe(pipe_ends), 0);
    EXPECT_THAT(refusal(pipe_ends[0], "ingest"), HasSubstr("not a socket"));
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
}

TEST_F(SortPassedSockets, RefusesAnUnknownName) {
    EXPECT_THAT(refusal(listening(), "metrics"), HasSubstr("FileDescriptorName="));
}

TEST_F(SortPassedSockets, RefusesAControlSocketOnTcp) {
    EXPECT_THAT(refusal(make(AF_INET, SOCK_STREAM, true), "control"), HasSubstr("not a Unix"));
}

}  // namespace
}  // namespace flowrelay::app
