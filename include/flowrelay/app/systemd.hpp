// Communicates with systemd: readiness, status and watchdog (sd_notify(3)), and sockets opened for
// the daemon (sd_listen_fds(3)). The protocols are a datagram and three environment variables, so
// libsystemd is not needed. Does nothing without systemd.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::app {

/// Reports the daemon's state to the service manager. Failures are not reported: nothing could be
/// done about them, and systemd notices missing messages. Owned by one thread. status() and
/// watchdog() never block; the others block for at most a second, if systemd does not read.
class ServiceNotifier {
public:
    /// Creates a notifier that is not connected and sends nothing.
    ServiceNotifier() = default;

    /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and removes them, so that no child
    /// process inherits them. Call it before a second thread starts.
    static ServiceNotifier from_environment();

    ServiceNotifier(ServiceNotifier&& other) noexcept;
    ServiceNotifier& operator=(ServiceNotifier&& other) noexcept;
    ~ServiceNotifier();

    /// Returns whether there is a service manager to notify.
    bool connected() const noexcept { return fd_ >= 0; }

    void ready() noexcept;
    void stopping() noexcept;
    /// Reports the start of a reload with the monotonic time, as Type=notify-reload requires.
    /// ready() ends the reload.
    void reloading() noexcept;
    /// Sets the line that `systemctl status` shows. Line breaks become spaces.
    void status(std::string_view text) noexcept;
    void watchdog() noexcept;

    /// Returns the interval in which watchdog() must be called at least twice; nothing if systemd
    /// expects no watchdog messages from this process.
    std::optional<Milliseconds> watchdog_interval() const noexcept { return watchdog_interval_; }

private:
    void send(std::string_view message, Milliseconds patience) noexcept;

    int fd_ = -1;
    std::optional<Milliseconds> watchdog_interval_;
};

/// A listening socket that systemd opened. The caller owns `fd`.
struct PassedSocket {
    int fd = -1;
    std::string name;  ///< FileDescriptorName= of the socket unit; "unknown" if it has none
};

/// Returns the sockets passed to this process (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) and sets
/// close-on-exec on them. Removes the variables, so a second call returns none. Call it before a
/// second thread starts. Error: the variables are set but invalid.
Result<std::vector<PassedSocket>> take_passed_sockets();

}  // namespace flowrelay::app
