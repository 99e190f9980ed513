#include "cli/line_input.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace flowrelay::cli {

namespace {

constexpr std::size_t longest_typed_line = 64 * 1024;

}  // namespace

bool LineInput::read_some() {
    if (ended_) return false;
    std::array<char, 4096> bytes;
    ssize_t size = -1;
    do {
        size = ::read(fd_, bytes.data(), bytes.size());
    } while (size < 0 && errno == EINTR);
    if (size > 0) buffer_.append(bytes.data(), static_cast<std::size_t>(size));
    ended_ = size <= 0 || buffer_.size() > longest_typed_line;
    return !ended_;
}

std::optional<std::string> LineInput::take_line() {
    const std::size_t end = buffer_.find('\n');
    if (end == buffer_.npos) {
        if (!ended_ || buffer_.empty()) return std::nullopt;
        return std::exchange(buffer_, std::string());
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    return line;
}

std::optional<std::string> LineInput::wait_for_line(int interrupted) {
    while (true) {
        if (auto line = take_line()) return line;
        if (ended_) return std::nullopt;
        std::array<pollfd, 2> waiting{pollfd{fd_, POLLIN, 0}, pollfd{interrupted, POLLIN, 0}};
        if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return std::nullopt;
        if (waiting[1].revents != 0) return std::nullopt;
        if (waiting[0].revents != 0) read_some();
    }
}

}  // namespace flowrelay::cli
