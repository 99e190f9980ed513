#include "cli/restore_owner.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include "flowrelay/base/number.hpp"

namespace flowrelay::cli {

namespace {

// For chown(2), this id means "do not change".
constexpr auto no_user = static_cast<uid_t>(-1);

Error no_owner(std::string message) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(message)};
}

/// Finds a user by name or number. A number needs no passwd entry, as in containers.
std::optional<FileOwner> find_or_number(const std::string& user, const FindUser& find) {
    if (auto found = find(user)) return found;
    const auto number = parse_number<uid_t>(user);
    if (!number || *number == no_user) return std::nullopt;
    return FileOwner{*number, static_cast<gid_t>(*number), user};
}

}  // namespace

Result<FileOwner> choose_owner(const OwnerHints& hints, const FindUser& find) {
    if (!hints.asked.empty()) {
        if (auto user = find_or_number(hints.asked, find)) return *std::move(user);
        return no_owner(fmt::format("there is no user {} on this host", hints.asked));
    }
    if (hints.existing && hints.existing->uid != 0) return *hints.existing;
    for (const std::string& name : {hints.recorded, hints.service, std::string("flowrelay")}) {
        const auto user = name.empty() ? std::nullopt : find(name);
        if (user && user->uid != 0) return *user;
    }
    if (auto recorded = find_or_number(hints.recorded, find)) return *std::move(recorded);
    return no_owner(
        "there is no user to own the files: root restores them, but flowrelayd runs as another "
        "user, which could not open files of root. Create that user (systemd-sysusers creates "
        "`flowrelay`), or name one with --user");
}

std::optional<FileOwner> find_file_owner(const std::string& user) {
    const passwd* entry = ::getpwnam(user.c_str());
    if (entry == nullptr) {
        const auto number = parse_number<uid_t>(user);
        if (number) entry = ::getpwuid(*number);
    }
    if (entry == nullptr) return std::nullopt;
    return FileOwner{entry->pw_uid, entry->pw_gid, entry->pw_name};
}

std::optional<FileOwner> owner_of(const std::string& path) {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) return std::nullopt;
    const passwd* entry = ::getpwuid(facts.st_uid);
    return FileOwner{facts.st_uid, facts.st_gid,
                     entry != nullptr ? entry->pw_name : std::to_string(facts.st_uid)};
}

}  // namespace flowrelay::cli
