#include "support.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <system_error>

namespace flowrelay::bench {
namespace {

constexpr std::uint64_t file_size = 64ULL << 20;
constexpr std::string_view thread_member = R"("external_thread_id":"build-)";

sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw std::runtime_error("too long: " + path);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

sockaddr_in loopback_address(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

template <class Address>
const sockaddr* generic(const Address& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

}  // namespace

Descriptor::~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
}

int check(int result, const char* what) {
    if (result == -1) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

Descriptor connect_unix(const std::string& path) {
    const auto address = unix_address(path);
    Descriptor fd(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    check(::connect(fd.get(), generic(address), sizeof address), "connect");
    return fd;
}

Descriptor listen_unix(const std::string& path) {
    const auto address = unix_address(path);
    Descriptor fd(check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    check(::bind(fd.get(), generic(address), sizeof address), "bind");
    check(::listen(fd.get(), 128), "listen");
    return fd;
}

Descriptor connect_loopback(std::uint16_t port) {
    const auto address = loopback_address(port);
    Descriptor fd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    check(::connect(fd.get(), generic(address), sizeof address), "connect");
    set_nodelay(fd.get());
    return fd;
}

std::pair<Descriptor, std::uint16_t> listen_loopback(std::uint16_t port) {
    auto address = loopback_address(port);
    Descriptor fd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    check(::bind(fd.get(), generic(address), sizeof address), "bind");
    check(::listen(fd.get(), 128), "listen");
    socklen_t size = sizeof address;
    check(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
    return {std::move(fd), ntohs(address.sin_port)};
}

void set_nonblocking(int fd) {
    check(::fcntl(fd, F_SETFL, check(::fcntl(fd, F_GETFL), "fcntl") | O_NONBLOCK), "fcntl");
}

void set_nodelay(int fd) {
    const int on = 1;
    check(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
}

void write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto written = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        check(written < 0 ? -1 : 0, "send");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string make_event(std::size_t size, std::uint64_t thread) {
    std::string event = R"({"flow_token":"0123456789abcdef0123456789abcdef","event":"activity",)";
    event += R"("author":{"name":"CI"},"title":"failed",)";
    event += fmt::format(R"({}{:0{}}","body":")", thread_member, thread, thread_digits);
    if (size < event.size() + 2) throw std::runtime_error("an event has at least 200 bytes");
    event.append(size - event.size() - 2, 'x');
    event += R"("})";
    return event;
}

std::size_t thread_digits_at(std::string_view event) {
    return event.find(thread_member) + thread_member.size();
}

void write_digits(char* out, std::uint64_t number) {
    for (std::size_t i = thread_digits; i-- > 0; number /= 10) {
        out[i] = static_cast<char>('0' + number % 10);
    }
}

std::uint32_t nanoseconds_since(Clock::time_point begin, Clock::time_point end) {
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    const std::chrono::nanoseconds time = end - begin;
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, most));
}

std::string percentile_members(std::vector<std::uint32_t>& nanoseconds) {
    if (nanoseconds.empty()) return R"("p50_us":0,"p99_us":0,"max_us":0)";
    std::ranges::sort(nanoseconds);
    const auto at = [&](double share) {
        const auto last = static_cast<double>(nanoseconds.size() - 1);
        return nanoseconds[static_cast<std::size_t>(share * last)] / 1000.0;
    };
    return fmt::format(R"("p50_us":{:.1f},"p99_us":{:.1f},"max_us":{:.1f})", at(0.5), at(0.99),
                       at(1));
}

FileMode file_mode(const std::string& name) {
    if (name == "growing") return FileMode::growing;
    if (name == "allocated") return FileMode::allocated;
    if (name == "overwrite") return FileMode::overwrite;
    throw std::runtime_error("not a way to write a file: " + name);
}

CommitFile::CommitFile(const std::string& path, FileMode mode)
    : file_(check(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), "open")),
      mode_(mode) {
    if (mode == FileMode::allocated) reserve();
    if (mode == FileMode::overwrite) {
        const std::vector<char> block(1 << 20, '\1');
        for (std::uint64_t at = 0; at < file_size; at += block.size()) {
            const auto written =
                ::pwrite(file_.get(), block.data(), block.size(), static_cast<off_t>(at));
            if (written != static_cast<ssize_t>(block.size())) {
                throw std::runtime_error("the file could not be filled: is the disk full?");
            }
        }
    }
    check(::fsync(file_.get()), "fsync");
}

void CommitFile::reserve() {
    check(::fallocate(file_.get(), 0, 0, static_cast<off_t>(file_size)), "fallocate");
}

void CommitFile::commit(std::string_view bytes) {
    if (end_ + bytes.size() > file_size) {
        end_ = 0;
        if (mode_ != FileMode::overwrite) check(::ftruncate(file_.get(), 0), "ftruncate");
        if (mode_ == FileMode::allocated) reserve();
    }
    const auto written =
        ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(end_));
    if (written != static_cast<ssize_t>(bytes.size())) {
        throw std::runtime_error("a commit could not be written: is the disk full?");
    }
    check(::fdatasync(file_.get()), "fdatasync");
    end_ += bytes.size();
}

}  // namespace flowrelay::bench
