#include "cli/test_directory.hpp"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace flowrelay::cli {

Result<TestDirectory> TestDirectory::make(const std::string& parent) {
    std::string path = parent + "/flowrelay-test-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return system_error(errno, "make a directory in", parent);
    }
    return TestDirectory(std::move(path));
}

TestDirectory::TestDirectory(TestDirectory&& other) noexcept
    : path_(std::exchange(other.path_, std::string())) {}

TestDirectory::~TestDirectory() {
    if (path_.empty()) return;
    std::error_code ignored;  // leftovers can be recognized by their name
    std::filesystem::remove_all(path_, ignored);
}

Interruption::Interruption() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd_ < 0) throw std::runtime_error("cannot wait for signals");
}

Interruption::~Interruption() {
    ::close(fd_);
}

bool Interruption::pending() {
    sleep(Milliseconds(0));
    return pending_;
}

void Interruption::sleep(Milliseconds time) {
    if (pending_) return;
    pollfd wanted{fd_, POLLIN, 0};
    pending_ = ::poll(&wanted, 1, static_cast<int>(time.count())) > 0;
}

}  // namespace flowrelay::cli
