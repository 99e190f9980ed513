// flowrelay restore
#include <fmt/format.h>
#include <grp.h>
#include <unistd.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/backup_files.hpp"
#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/json_members.hpp"
#include "cli/restore_owner.hpp"
#include "cli/restore_target.hpp"
#include "cli/service_unit.hpp"
#include "cli/state_copy.hpp"
#include "flowrelay/app/machine.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

struct RestoreOptions {
    std::string directory;
    std::string state;
    std::string user;
    bool with_config = false;
    bool with_damage = false;
};

/// The owner is this user, unless that is root.
Result<FileOwner> new_owner(const RestoreOptions& options, const std::string& state,
                            const json::object& manifest) {
    if (::geteuid() != 0) return FileOwner{::geteuid(), ::getegid(), {}};
    OwnerHints hints{options.user, owner_of(state), text_of(manifest, "state_owner"), {}};
    if (const auto service = ask_for_service("flowrelayd.service")) hints.service = service->user;
    return choose_owner(hints, find_file_owner);
}

/// Returns the former owner of a file of the configuration, if user and group exist on this host.
/// Otherwise a private file belongs to the daemon's user, which must read it, and other files to
/// the owner of their directory.
FileOwner owner_of_restored(const BackupFile& file, const FileOwner& daemon) {
    const auto user = find_file_owner(file.owner);
    const auto* group = ::getgrnam(file.group.c_str());
    if (user && group != nullptr) return {user->uid, group->gr_gid, user->name};
    const auto above = owner_of(fs::path(file.path).parent_path().string());
    return file.is_private() || !above ? daemon : *above;
}

Result<void> restore_configuration(const std::string& directory,
                                   const std::vector<BackupFile>& files, const FileOwner& daemon) {
    for (const BackupFile& file : files) {
        std::error_code error;
        if (fs::exists(fs::symlink_status(file.path, error))) {
            fmt::print("left as it is: {}\n", app::printable(file.path));
            continue;
        }
        std::vector<std::string> made;
        if (auto done = make_parents(file.path, daemon, made); done.has_error()) return done;
        if (auto done = copy_plain(directory + "/" + file.copy, file.path); done.has_error()) {
            return done;
        }
        const FileOwner owner = owner_of_restored(file, daemon);
        if (auto done = give_file(file.path, owner, file.mode); done.has_error()) return done;
        fmt::print("restored: {}\n", app::printable(file.path));
    }
    return {};
}

Result<void> restore_state(const std::string& directory, RestoreTarget& target,
                           const FileOwner& owner) {
    if (auto done = target.take_over(owner); done.has_error()) return done;
    StateCopy copy(directory + "/state", target.path());
    if (auto written = copy.pass(); written.has_error()) return written.error();
    if (auto done = copy.sync(); done.has_error()) return done;
    // This makes the daemon check whether this host's tokens are those of the events.
    if (auto done = write_text(app::machine_file(target.path()), std::string(app::restored_mark));
        done.has_error()) {
        return done;
    }
    return target.give_away(owner);
}

void print_left_out(const json::object& manifest) {
    const json::array* left_out = array_of(manifest, "left_out");
    if (left_out == nullptr) return;
    for (const json::value& name : *left_out) {
        if (!name.is_string()) continue;
        fmt::print("not in the backup: {}\n", app::printable(name.get_string()));
    }
}

ExitCode run_restore(const RestoreOptions& options) {
    if (!options.user.empty() && ::geteuid() != 0) {
        complain("--user needs root: only root can give files to another user");
        return ExitCode::usage;
    }
    auto manifest = read_manifest(options.directory);
    if (manifest.has_error()) return give_up(manifest.error());
    const auto files = files_of(*manifest);
    if (files.has_error()) return give_up(files.error());
    const auto found = look_at_copy(options.directory + "/state");
    if (found.has_error()) return give_up(found.error());
    if (!found->damage.empty() && !options.with_damage) {
        return give_up(
            failure(fmt::format("the copy in {}/state is damaged: {}. If there is no better one, "
                                "--with-damage restores it, and flowrelayd says what is lost",
                                options.directory, found->damage)));
    }
    const std::string state =
        options.state.empty() ? text_of(*manifest, "state_directory") : options.state;
    if (state.empty()) {
        return give_up(
            failure("the backup does not say where the spool was: name the directory "
                    "with --state"));
    }
    auto target = RestoreTarget::find(state);
    if (target.has_error()) return give_up(target.error());
    const auto owner = new_owner(options, target->path(), *manifest);
    if (owner.has_error()) return give_up(owner.error());
    if (auto done = restore_state(options.directory, *target, *owner); done.has_error()) {
        return give_up(done.error());
    }
    fmt::print("{}: {}, as of {} on {}{}\n", state, found->text, text_of(*manifest, "made"),
               text_of(*manifest, "host"),
               owner->name.empty() ? "" : "; it belongs to " + owner->name);
    if (options.with_config) {
        if (auto done = restore_configuration(options.directory, *files, *owner);
            done.has_error()) {
            return give_up(done.error());
        }
    }
    print_left_out(*manifest);
    fmt::print(
        "Events delivered since the backup are delivered again, with the same uuid. If the "
        "original relay is stopped for good: systemctl start flowrelayd\n");
    return ExitCode::ok;
}

}  // namespace

void add_restore_command(Command app, Context& context) {
    const Command restore =
        app.add_subcommand("restore", "Restore a backup, before flowrelayd is started");
    const auto from = std::make_shared<RestoreOptions>();
    restore.add_option("DIR", from->directory, "The directory made by `flowrelay backup`")
        .required()
        .type_name("")
        .not_empty();
    restore
        .add_option("--state", from->state,
                    "The directory for the spool: spool.directory of this host (the original one)")
        .type_name("DIR")
        .not_empty();
    restore.add_flag("--with-config", from->with_config,
                     "Also restore the configuration and token files that do not exist here");
    restore
        .add_option("--user", from->user,
                    "As root: the owner of the spool (the owner of the existing directory, of the "
                    "backup, or of the service)")
        .type_name("NAME")
        .not_empty();
    restore.add_flag("--with-damage", from->with_damage,
                     "Restore even a damaged copy: flowrelayd says what is lost");
    restore.footer(
        "There must be no spool yet, and nothing else in its directory. When flowrelayd starts "
        "with the\n"
        "restored spool, it pauses each source whose token on this host is not the one for which "
        "its queued\n"
        "events were accepted: see token.replaced in the log.\n"
        "\n"
        "Exit status: 0, 1 nothing was restored, 64 wrong options.");
    restore.callback([from, &context] { context.run = [from] { return run_restore(*from); }; });
}

}  // namespace flowrelay::cli
