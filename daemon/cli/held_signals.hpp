// SIGINT, SIGTERM, SIGHUP and SIGQUIT while something is half made: they wait until it is whole or
// gone.
#pragma once

#include <csignal>

namespace flowrelay::cli {

/// Holds the signals back as long as it lives, in the thread that made it. One that came has its
/// usual effect when this ends, which is to end the process.
class HeldSignals {
public:
    HeldSignals();
    ~HeldSignals();
    HeldSignals(const HeldSignals&) = delete;
    HeldSignals& operator=(const HeldSignals&) = delete;

    /// Whether one of the signals has come.
    bool pending() const;

    /// Readable once one of the signals has come. Nothing is to be read from it.
    int descriptor() const noexcept { return fd_; }

private:
    sigset_t signals_{};
    sigset_t before_{};
    int fd_ = -1;
};

}  // namespace flowrelay::cli
