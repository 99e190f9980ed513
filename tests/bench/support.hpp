// What the benchmark programs have in common: sockets, files, the event that is sent, percentiles.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flowrelay::bench {

using Clock = std::chrono::steady_clock;

/// A file descriptor that is closed at the end.
class Descriptor {
public:
    explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor();
    int get() const noexcept { return fd_; }

private:
    int fd_;
};

/// Throws std::system_error with errno and these words if `result` is -1.
int check(int result, const char* what);

/// Blocking stream sockets.
Descriptor connect_unix(const std::string& path);
Descriptor listen_unix(const std::string& path);
Descriptor connect_loopback(std::uint16_t port);
/// Port 0 takes a free one; the second is the port.
std::pair<Descriptor, std::uint16_t> listen_loopback(std::uint16_t port);

void set_nonblocking(int fd);
void set_nodelay(int fd);

/// Writes all of it to a blocking descriptor.
void write_all(int fd, std::string_view bytes);

/// An event of the integration guide's shape, exactly `size` bytes long (at least 200), for the
/// thread `number`; all of one size differ in the digits of the thread alone.
std::string make_event(std::size_t size, std::uint64_t thread);
inline constexpr std::size_t thread_digits = 8;

/// Where those digits begin in an event.
std::size_t thread_digits_at(std::string_view event);
void write_digits(char* out, std::uint64_t number);

/// Nanoseconds from `begin`, at most what 32 bits hold (4.2 s).
std::uint32_t nanoseconds_since(Clock::time_point begin, Clock::time_point end);

/// Sorts, and gives `"p50_us":…,"p99_us":…,"max_us":…` as members of a JSON object.
std::string percentile_members(std::vector<std::uint32_t>& nanoseconds);

/// How a file of commits grows: what a raw loop of writes and fdatasync is measured with.
enum class FileMode {
    growing,    ///< each write makes the file longer
    allocated,  ///< fallocate() has reserved blocks that were never written
    overwrite,  ///< the blocks were written before: a sync has no metadata to write
};
FileMode file_mode(const std::string& name);

/// A file that takes commits one after the other, and begins anew when its 64 MiB are full.
class CommitFile {
public:
    CommitFile(const std::string& path, FileMode mode);
    /// One write and one fdatasync.
    void commit(std::string_view bytes);

private:
    void reserve();

    Descriptor file_;
    FileMode mode_;
    std::uint64_t end_ = 0;
};

}  // namespace flowrelay::bench
