#include "cli/held_signals.hpp"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>

namespace flowrelay::cli {

namespace {

constexpr int held_back[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

}  // namespace

HeldSignals::HeldSignals() {
    ::sigemptyset(&signals_);
    for (const int signal : held_back) ::sigaddset(&signals_, signal);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
    fd_ = ::signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK);
}

HeldSignals::~HeldSignals() {
    if (fd_ >= 0) ::close(fd_);
    std::fflush(stdout);  // a signal that ends the process would lose it
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool HeldSignals::pending() const {
    sigset_t waiting;
    ::sigemptyset(&waiting);
    ::sigpending(&waiting);
    for (const int signal : held_back) {
        if (::sigismember(&waiting, signal) == 1) return true;
    }
    return false;
}

}  // namespace flowrelay::cli
