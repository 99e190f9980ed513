// What the daemon says to systemd and gets from it: readiness, status, watchdog (sd_notify(3)) and
// sockets that were opened for it (sd_listen_fds(3)). The protocols are a datagram and three
// environment variables, so there is no need for libsystemd. Without systemd all of it does
// nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::app {

/// Tells the service manager how the service is. Failures are not reported: nobody could act on
/// them, and systemd notices silence. Owned by one thread. status() and watchdog() never block, the
/// others for a second at most, when systemd does not read.
class ServiceNotifier {
public:
    /// Says nothing to anybody.
    ServiceNotifier() = default;

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them, so that no child
    /// inherits them. Call it before there is a second thread.
    static ServiceNotifier from_environment();

    ServiceNotifier(ServiceNotifier&& other) noexcept;
    ServiceNotifier& operator=(ServiceNotifier&& other) noexcept;
    ~ServiceNotifier();

    /// Whether somebody listens.
    bool connected() const noexcept { return fd_ >= 0; }

    void ready() noexcept;
    void stopping() noexcept;
    /// With the monotonic time, as Type=notify-reload wants it; ready() ends the reload.
    void reloading() noexcept;
    /// One line for `systemctl status`. Line breaks become spaces.
    void status(std::string_view text) noexcept;
    void watchdog() noexcept;

    /// Call watchdog() at least twice in this time. Nothing when no watchdog is set for us.
    std::optional<Milliseconds> watchdog_interval() const noexcept { return watchdog_interval_; }

private:
    void send(std::string_view message, Milliseconds patience) noexcept;

    int fd_ = -1;
    std::optional<Milliseconds> watchdog_interval_;
};

/// A listening socket that systemd opened. The caller owns `fd`.
struct PassedSocket {
    int fd = -1;
    std::string name;  ///< FileDescriptorName= of the socket unit; "unknown" when it has none
};

/// The sockets passed to this process: LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES. Sets close-on-exec
/// and removes the variables: a second call gives none. Call it before there is a second thread.
/// Error: the variables are there and make no sense.
Result<std::vector<PassedSocket>> take_passed_sockets();

}  // namespace flowrelay::app
