#include "log_output.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace flowrelay::app {

namespace {

constexpr int patience_at_end = 200;  // milliseconds

bool is_writable(int fd, int patience) noexcept {
    pollfd state{fd, POLLOUT, 0};
    return ::poll(&state, 1, patience) > 0;
}

}  // namespace

LogOutput::LogOutput(int fd) : fd_(fd) {
    struct stat info{};
    if (::fstat(fd, &info) != 0) return;
    is_socket_ = S_ISSOCK(info.st_mode);
    // Opening another user's pipe or terminal again may fail; then poll() is used.
    if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
        own_fd_ = ::open(fmt::format("/proc/self/fd/{}", fd).c_str(),
                         O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
}

LogOutput::~LogOutput() {
    const int fd = own_fd_ >= 0 ? own_fd_ : fd_;
    while (!flush() && is_writable(fd, patience_at_end)) {
    }
    if (own_fd_ >= 0) ::close(own_fd_);
}

bool LogOutput::write(std::string_view line) noexcept {
    try {
        const std::size_t written = flush() ? write_some(line) : 0;
        line.remove_prefix(written);
        if (line.empty()) return true;
        // The rest of a partly written line is always kept, whatever its length.
        if (written == 0 && pending_.size() + line.size() > max_pending) return false;
        pending_ += line;
        return true;
    } catch (...) {
        return false;  // out of memory
    }
}

bool LogOutput::flush() noexcept {
    if (!pending_.empty()) pending_.erase(0, write_some(pending_));
    return pending_.empty();
}

std::size_t LogOutput::write_some(std::string_view text) const noexcept {
    std::size_t written = 0;
    while (written < text.size()) {
        const std::string_view rest = text.substr(written);
        ssize_t n = 0;
        if (is_socket_) {
            n = ::send(fd_, rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        } else if (own_fd_ >= 0) {
            n = ::write(own_fd_, rest.data(), rest.size());
        } else {
            // A writable pipe accepts PIPE_BUF bytes at once.
            if (!is_writable(fd_, 0)) break;
            n = ::write(fd_, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (n < 0) return text.size();  // no reader is left, and there is no place to report it
        written += static_cast<std::size_t>(n);
    }
    return written;
}

}  // namespace flowrelay::app
