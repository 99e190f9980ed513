#include "flowrelay/app/systemd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "flowrelay/base/number.hpp"

namespace flowrelay::app {

namespace {

constexpr int first_passed_fd = 3;  // SD_LISTEN_FDS_START
// A lost READY=1 would make the start time out, while a watchdog message is repeated.
constexpr Milliseconds state_patience{1000};
constexpr std::uint64_t max_passed_fds = 1024;

std::optional<std::string> take_variable(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    std::string copy(value);
    ::unsetenv(name);
    return copy;
}

bool is_this_process(std::string_view pid) {
    return parse_number<std::uint64_t>(pid) == static_cast<std::uint64_t>(::getpid());
}

/// Returns a datagram socket connected to the address, or -1. An address that begins with "@" is
/// abstract.
int connect_to(std::string_view address) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (address.size() < 2 || address.size() >= sizeof to.sun_path) return -1;
    if (address.front() != '/' && address.front() != '@') return -1;
    std::memcpy(to.sun_path, address.data(), address.size());
    if (address.front() == '@') to.sun_path[0] = '\0';
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), length) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

std::optional<Milliseconds> read_watchdog_interval() {
    const auto microseconds = take_variable("WATCHDOG_USEC");
    const auto pid = take_variable("WATCHDOG_PID");
    if (!microseconds || (pid && !is_this_process(*pid))) return std::nullopt;
    const auto number = parse_number<std::uint64_t>(*microseconds);
    if (!number || *number < 1000 || *number / 1000 > INT64_MAX / 1000) return std::nullopt;
    return Milliseconds(static_cast<std::int64_t>(*number / 1000));
}

std::vector<std::string> split_names(std::string_view text) {
    std::vector<std::string> names;
    while (!text.empty()) {
        const std::size_t colon = text.find(':');
        names.emplace_back(text.substr(0, colon));
        text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
    }
    return names;
}

}  // namespace

ServiceNotifier ServiceNotifier::from_environment() {
    ServiceNotifier notifier;
    if (const auto address = take_variable("NOTIFY_SOCKET")) notifier.fd_ = connect_to(*address);
    notifier.watchdog_interval_ = read_watchdog_interval();
    return notifier;
}

ServiceNotifier::ServiceNotifier(ServiceNotifier&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), watchdog_interval_(other.watchdog_interval_) {}

ServiceNotifier& ServiceNotifier::operator=(ServiceNotifier&& other) noexcept {
    std::swap(fd_, other.fd_);
    watchdog_interval_ = other.watchdog_interval_;
    return *this;
}

ServiceNotifier::~ServiceNotifier() {
    if (fd_ >= 0) ::close(fd_);
}

void ServiceNotifier::send(std::string_view message, Milliseconds patience) noexcept {
    if (fd_ < 0) return;
    for (int tries = 0; tries < 10; ++tries) {
        if (::send(fd_, message.data(), message.size(), MSG_NOSIGNAL) >= 0) return;
        if (errno == EINTR) continue;
        pollfd writable{fd_, POLLOUT, 0};
        if (errno != EAGAIN || ::poll(&writable, 1, static_cast<int>(patience.count())) <= 0)
            return;
    }
}

void ServiceNotifier::ready() noexcept {
    send("READY=1", state_patience);
}

void ServiceNotifier::stopping() noexcept {
    send("STOPPING=1", state_patience);
}

void ServiceNotifier::watchdog() noexcept {
    send("WATCHDOG=1", Milliseconds(0));
}

void ServiceNotifier::reloading() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto usec = static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
    char message[64] = "RELOADING=1\nMONOTONIC_USEC=";
    char* const number = message + std::strlen(message);
    const auto end = std::to_chars(number, std::end(message), usec).ptr;
    send({message, static_cast<std::size_t>(end - message)}, state_patience);
}

void ServiceNotifier::status(std::string_view text) noexcept {
    if (fd_ < 0) return;
    constexpr std::string_view key = "STATUS=";
    char message[512];
    const std::size_t size = std::min(text.size(), sizeof message - key.size());
    std::memcpy(message, key.data(), key.size());
    std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size),
                   message + key.size(), [](char c) { return c == '\n' || c == '\r' ? ' ' : c; });
    send({message, key.size() + size}, Milliseconds(0));
}

Result<std::vector<PassedSocket>> take_passed_sockets() {
    const auto pid = take_variable("LISTEN_PID");
    const auto count_text = take_variable("LISTEN_FDS");
    const auto names_text = take_variable("LISTEN_FDNAMES");
    if (!pid || !count_text || !is_this_process(*pid)) return std::vector<PassedSocket>();
    const auto count = parse_number<std::uint64_t>(*count_text);
    if (!count || *count > max_passed_fds) {
        return Error{make_error_code(boost::system::errc::invalid_argument),
                     fmt::format("LISTEN_FDS=\"{:.20}\" is not a number of sockets", *count_text)};
    }
    std::vector<std::string> names = split_names(names_text.value_or(""));
    names.resize(*count, "unknown");
    std::vector<PassedSocket> sockets;
    for (std::size_t i = 0; i < *count; ++i) {
        const int fd = first_passed_fd + static_cast<int>(i);
        if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            return system_error(errno, "use the socket passed by systemd as descriptor",
                                std::to_string(fd));
        }
        sockets.push_back({fd, std::move(names[i])});
    }
    return sockets;
}

}  // namespace flowrelay::app
