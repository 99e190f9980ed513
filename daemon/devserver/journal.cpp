#include "journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace flowrelay::devserver {

Journal::Journal(const std::string& path)
    : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "cannot open " + path_);
}

Journal::~Journal() {
    ::close(fd_);
}

void Journal::append(std::string_view line) {
    while (!line.empty()) {
        const ssize_t written = ::write(fd_, line.data(), line.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            throw std::system_error(errno, std::generic_category(), "cannot write " + path_);
        }
        line.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace flowrelay::devserver
