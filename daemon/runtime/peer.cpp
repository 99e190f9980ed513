#include "flowrelay/runtime/peer.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/number.hpp"

namespace flowrelay::runtime {
namespace {

// Linux 4.13; older C libraries do not name it.
#ifndef SO_PEERGROUPS
constexpr int SO_PEERGROUPS = 59;
#endif

bool is_unit(std::string_view name) {
    constexpr std::array<std::string_view, 7> kinds{".service", ".scope",  ".socket", ".timer",
                                                    ".mount",   ".target", ".path"};
    const bool fits = ascii::all_word(name, ":-_.\\@");
    return fits && std::ranges::any_of(kinds, [&](std::string_view kind) {
               return name.size() > kind.size() && name.ends_with(kind);
           });
}

// The pid can't be used to tell: it is 0 for a process in another PID namespace.
bool is_unix(int fd) {
    int domain = 0;
    socklen_t size = sizeof domain;
    return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

}  // namespace

bool Peer::is_in(gid_t group) const noexcept {
    return std::ranges::find(groups, group) != groups.end();
}

std::optional<Peer> peer_of(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (!is_unix(fd)) return std::nullopt;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
    Peer peer;
    peer.uid = credentials.uid;
    peer.pid = credentials.pid;
    peer.groups.resize(64);
    socklen_t bytes = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
    int done = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &bytes);
    if (done != 0 && errno == ERANGE) {
        peer.groups.resize(bytes / sizeof(gid_t));
        done = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &bytes);
    }
    peer.groups.resize(done == 0 ? bytes / sizeof(gid_t) : 0);
    if (!peer.is_in(credentials.gid)) peer.groups.push_back(credentials.gid);
    return peer;
}

std::string unit_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
    const std::string text(std::istreambuf_iterator<char>(file), {});
    return unit_in_cgroup(text);
}

// Lines are "0::/system.slice/cron.service" (cgroups(7)). The outermost unit counts: names below it
// are chosen by its owner, such as a user's systemd or a service with containers.
std::string unit_in_cgroup(std::string_view text) {
    constexpr std::size_t longest = 255;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (!line.starts_with("0::") && line.find("name=systemd:") == line.npos) continue;
        std::string_view path = line.substr(std::min(line.find('/'), line.size()));
        while (!path.empty()) {
            path.remove_prefix(1);
            const std::string_view name = path.substr(0, path.find('/'));
            path.remove_prefix(name.size());
            if (name.ends_with(".slice")) continue;
            if (is_unit(name) && name.size() <= longest) return std::string(name);
        }
    }
    return {};
}

std::optional<uid_t> uid_of(int fd) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (!is_unix(fd)) return std::nullopt;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
    return credentials.uid;
}

core::Submitter submitter_of(int fd) {
    core::Submitter submitter;
    const auto peer = peer_of(fd);
    if (!peer) return submitter;
    submitter.producer =
        core::Producer{peer->uid, static_cast<std::uint32_t>(peer->pid), unit_of(peer->pid)};
    submitter.groups.assign(peer->groups.begin(), peer->groups.end());
    return submitter;
}

std::optional<uid_t> find_user(const std::string& name) {
    if (const auto number = parse_number<std::uint32_t>(name)) return number;
    std::vector<char> buffer(16 * 1024);
    passwd entry{};
    passwd* found = nullptr;
    while (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
        buffer.resize(2 * buffer.size());
    }
    if (found == nullptr) return std::nullopt;
    return entry.pw_uid;
}

std::optional<gid_t> find_group(const std::string& name) {
    if (const auto number = parse_number<std::uint32_t>(name)) return number;
    std::vector<char> buffer(16 * 1024);
    group entry{};
    group* found = nullptr;
    while (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
        buffer.resize(2 * buffer.size());
    }
    if (found == nullptr) return std::nullopt;
    return entry.gr_gid;
}

}  // namespace flowrelay::runtime
