// Preloaded into a program (LD_PRELOAD), this makes calls on its files fail, as on a bad or full
// disk. The file named by FLOWRELAY_DISK_FAULTS has one fault per line and may change while the
// program runs:
//
//   CALL ENDING ERRNO TIMES
//
// Calls with this name (pread, pwrite, fdatasync, fsync, fallocate, open, rename) on files whose
// path has this ending fail with this error number: the first TIMES calls, or all if TIMES is 0.
// `grow` is a pwrite that extends its file, the only kind of write that a full disk refuses. A
// pwrite that fails for lack of space first writes half of its bytes. With -MS instead of the error
// number the calls do not fail, but take that many milliseconds longer.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <string_view>

namespace {

std::string read_faults() {
    const char* path = std::getenv("FLOWRELAY_DISK_FAULTS");
    if (path == nullptr) return {};
    const long fd = ::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::array<char, 4096> text{};
    const long n = ::syscall(SYS_pread64, fd, text.data(), text.size(), 0L);
    ::syscall(SYS_close, fd);
    return n > 0 ? std::string(text.data(), static_cast<std::size_t>(n)) : std::string();
}

/// Returns the error that a call on this file has to fail with; 0: none; negative: a delay.
int find_fault(std::string_view call, std::string_view path) {
    static std::mutex mutex;
    static std::map<std::string, int> used;
    const std::lock_guard lock(mutex);
    std::istringstream lines(read_faults());
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string name;
        std::string ending;
        int error = 0;
        int times = 0;
        if (!(words >> name >> ending >> error >> times)) continue;
        if (name != call || !path.ends_with(ending)) continue;
        if (times > 0 && used[line]++ >= times) continue;
        return error;
    }
    return 0;
}

int fault_of(std::string_view call, std::string_view path) {
    const int fault = find_fault(call, path);
    if (fault >= 0) return fault;
    ::usleep(static_cast<useconds_t>(-fault) * 1000);
    return 0;
}

int fault_of(std::string_view call, int fd) {
    const int before = errno;
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    std::array<char, 4096> path{};
    const ssize_t n = ::readlink(link.c_str(), path.data(), path.size());
    const int error =
        n > 0 ? fault_of(call, std::string_view(path.data(), static_cast<std::size_t>(n))) : 0;
    errno = error != 0 ? error : before;
    return error;
}

int open_file(int directory, const char* path, int flags, mode_t mode) {
    if (const int error = fault_of("open", std::string_view(path)); error != 0) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_openat, directory, path, flags, mode));
}

mode_t mode_of(int flags, va_list arguments) {
    return (flags & O_CREAT) != 0 ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

ssize_t read_file(int fd, void* out, std::size_t size, off_t offset) {
    if (fault_of("pread", fd) != 0) return -1;
    return ::syscall(SYS_pread64, fd, out, size, offset);
}

bool grows(int fd, std::size_t size, off_t offset) {
    struct stat now{};
    return ::fstat(fd, &now) == 0 && offset + static_cast<off_t>(size) > now.st_size;
}

ssize_t write_file(int fd, const void* bytes, std::size_t size, off_t offset) {
    int error = fault_of("pwrite", fd);
    if (error == 0 && grows(fd, size, offset)) error = fault_of("grow", fd);
    if (error == 0) return ::syscall(SYS_pwrite64, fd, bytes, size, offset);
    if (error == ENOSPC || error == EDQUOT) {
        static_cast<void>(::syscall(SYS_pwrite64, fd, bytes, size / 2, offset));
    }
    errno = error;
    return -1;
}

int allocate(int fd, int mode, off_t offset, off_t size) {
    if (fault_of("fallocate", fd) != 0) return -1;
    return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, size));
}

}  // namespace

// The C library has most of these functions under two names.
extern "C" {

// Without root rights, a process that is not dumpable can't look up the names of its files.
int prctl(int, ...) {
    return 0;
}

int open(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_file(AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_file(AT_FDCWD, path, flags, mode);
}

ssize_t pread(int fd, void* out, std::size_t size, off_t offset) {
    return read_file(fd, out, size, offset);
}
ssize_t pread64(int fd, void* out, std::size_t size, off_t offset) {
    return read_file(fd, out, size, offset);
}
ssize_t pwrite(int fd, const void* bytes, std::size_t size, off_t offset) {
    return write_file(fd, bytes, size, offset);
}
ssize_t pwrite64(int fd, const void* bytes, std::size_t size, off_t offset) {
    return write_file(fd, bytes, size, offset);
}

int fdatasync(int fd) {
    if (fault_of("fdatasync", fd) != 0) return -1;
    return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
int fsync(int fd) {
    if (fault_of("fsync", fd) != 0) return -1;
    return static_cast<int>(::syscall(SYS_fsync, fd));
}

int fallocate(int fd, int mode, off_t offset, off_t size) noexcept(false) {
    return allocate(fd, mode, offset, size);
}
int fallocate64(int fd, int mode, off_t offset, off_t size) noexcept(false) {
    return allocate(fd, mode, offset, size);
}

int rename(const char* from, const char* to) noexcept {
    if (const int error = fault_of("rename", std::string_view(from)); error != 0) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

}  // extern "C"
