#include "cli/service_unit.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/runtime/peer.hpp"

namespace flowrelay::cli {

namespace {

/// Returns the output of a command; "" if it fails.
std::string output_of(const std::string& command) {
    std::FILE* lines = ::popen(command.c_str(), "re");
    if (lines == nullptr) return {};
    std::string text;
    std::array<char, 4096> buffer{};
    while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), lines) != nullptr) {
        text += buffer.data();
    }
    return ::pclose(lines) == 0 ? text : std::string();
}

/// Returns whether a name needs no quoting in a shell command.
bool is_plain(std::string_view name) {
    return !name.empty() && name.front() != '-' && ascii::all_word(name, "-_.@:");
}

std::vector<gid_t> groups_of(const std::string& user, gid_t group) {
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgrouplist(user.c_str(), group, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        ::getgrouplist(user.c_str(), group, groups.data(), &count);
    }
    groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    return groups;
}

bool is_member(gid_t group) {
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    if (::getgroups(static_cast<int>(groups.size()), groups.data()) < 0) groups.clear();
    return group == ::getegid() || std::ranges::find(groups, group) != groups.end();
}

bool is_made_by_systemd(const std::string& directory, const app::ServiceView& service) {
    return std::ranges::find(service.writable, directory) != service.writable.end() &&
           (directory.starts_with("/var/lib/") || directory.starts_with("/run/"));
}

}  // namespace

std::optional<app::ServiceView> ask_for_service(const std::string& unit) {
    if (!is_plain(unit)) return std::nullopt;
    const std::string text =
        output_of(fmt::format("systemctl show --property=LoadState,{} -- {} 2> /dev/null",
                              app::service_properties(), unit));
    if (text.find("LoadState=loaded\n") == text.npos) return std::nullopt;
    return app::parse_service_view(unit, text);
}

std::string become(const std::string& user, const app::ServiceView& service) {
    const passwd* entry = ::getpwnam(user.c_str());
    if (entry == nullptr) return fmt::format("there is no user \"{}\"", user);
    const uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (uid == ::geteuid()) return {};
    if (!service.group.empty()) {
        const auto group = runtime::find_group(service.group);
        if (!group) return fmt::format("there is no group \"{}\"", service.group);
        gid = *group;
    }
    std::vector<gid_t> groups = groups_of(user, gid);
    for (const auto& name : service.groups) {
        if (const auto group = runtime::find_group(name)) groups.push_back(*group);
    }
    if (::setgroups(groups.size(), groups.data()) != 0 || ::setresgid(gid, gid, gid) != 0 ||
        ::setresuid(uid, uid, uid) != 0) {
        return fmt::format("cannot become the user {}: {}", user,
                           std::generic_category().message(errno));
    }
    return {};
}

std::vector<app::ConfigProblem> check_as_this_user(const app::Config& config,
                                                   const std::string& file,
                                                   const app::ServiceView& service,
                                                   const std::string& user) {
    std::vector<app::ConfigProblem> problems;
    const auto complain = [&](std::string_view key, const std::string& why) {
        problems.push_back({file, 0, 0, fmt::format("key `{}`: {}", key, why)});
    };
    const auto writable = [&](std::string_view key, const std::string& directory) {
        if (is_made_by_systemd(directory, service)) return;
        if (::access(directory.c_str(), W_OK | X_OK) == 0) return;
        // The daemon creates a missing one.
        const std::string above =
            directory.substr(0, std::max<std::size_t>(directory.rfind('/'), 1));
        if (errno == ENOENT && ::access(above.c_str(), W_OK | X_OK) == 0) return;
        complain(key,
                 fmt::format("the user {0} can't write to {1}: `install -d -o {0} -m 0700 {1}`",
                             user, directory));
    };
    const auto socket = [&](std::string_view key, const std::string& path,
                            const std::string& name) {
        writable(key, path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)));
        const auto group = name.empty() ? std::nullopt : runtime::find_group(name);
        if (!group || is_member(*group)) return;
        complain(
            fmt::format("{}_group", key),
            fmt::format("the user {0} is not in the group {1} and can't give the socket to it: "
                        "`systemctl edit {2}`: [Service] SupplementaryGroups={1}",
                        user, name, service.unit.empty() ? "flowrelayd.service" : service.unit));
    };
    writable("spool.directory", config.spool.directory);
    if (!service.passes_ingest) {
        socket("ingest.socket", config.ingest.socket, config.ingest.socket_group);
    }
    if (!service.passes_control) {
        socket("control.socket", config.control.socket, config.control.socket_group);
    }
    return problems;
}

}  // namespace flowrelay::cli
