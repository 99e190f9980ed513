#include "process_usage.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace flowrelay::runtime {

namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

std::uint64_t resident_bytes() noexcept {
    const std::unique_ptr<std::FILE, Close> file(std::fopen("/proc/self/statm", "re"));
    unsigned long total = 0;
    unsigned long resident = 0;
    if (!file || std::fscanf(file.get(), "%lu %lu", &total, &resident) != 2) return 0;
    return std::uint64_t{resident} * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t open_fds() noexcept {
    const std::unique_ptr<DIR, Close> directory(::opendir("/proc/self/fd"));
    std::uint64_t count = 0;
    // A process that can't be dumped can't read that directory unless it runs as root.
    if (!directory) {
        const int end = static_cast<int>(std::min<long>(::sysconf(_SC_OPEN_MAX), 65'536));
        for (int fd = 0; fd < end; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
        return count;
    }
    while (directory) {
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr) break;
        if (entry->d_name[0] != '.') ++count;
    }
    return count > 0 ? count - 1 : 0;  // not counting the directory's own descriptor
}

}  // namespace

ProcessUsage process_usage() noexcept {
    ProcessUsage usage;
    rusage used{};
    if (::getrusage(RUSAGE_SELF, &used) == 0) {
        usage.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
    }
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) usage.max_fds = limit.rlim_cur;
    usage.resident_bytes = resident_bytes();
    usage.open_fds = open_fds();
    return usage;
}

}  // namespace flowrelay::runtime
