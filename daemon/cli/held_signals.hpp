// Holds back SIGINT, SIGTERM, SIGHUP and SIGQUIT during work that must be completed or undone.
#pragma once

#include <csignal>

namespace flowrelay::cli {

/// Holds back the signals during its lifetime, in the thread that created it. Its destructor lets a
/// pending signal take its usual effect: it ends the process.
class HeldSignals {
public:
    HeldSignals();
    ~HeldSignals();
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    /// Returns whether one of the signals is pending.
    bool pending() const;

    /// Returns a descriptor that becomes readable when a signal is pending. Do not read from it.
    int descriptor() const noexcept { return fd_; }

private:
    sigset_t signals_{};
    sigset_t before_{};
    int fd_ = -1;
};

}  // namespace flowrelay::cli
