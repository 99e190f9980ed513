// flowrelay spool
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/spool_commands.hpp"
#include "cli/spool_text.hpp"
#include "flowrelay/storage/declare_damaged.hpp"

namespace flowrelay::cli {

namespace {

// Exit codes like those of monitoring plug-ins and fsck, unlike commands that use the daemon.
constexpr auto damage_found = static_cast<ExitCode>(2);

struct VerifyOptions {
    std::string directory;
    bool as_json = false;
    bool quiet = false;
};

ExitCode verify(const VerifyOptions& options) {
    const auto file_system = storage::make_posix_file_system();
    const auto report = storage::check_spool(*file_system, options.directory);
    if (report.has_error()) {
        complain(report.error().message);
        return ExitCode::can_not_tell;
    }
    fmt::print("{}", options.as_json
                         ? format_spool_json(*report)
                         : format_spool_report(*report, SystemClock().now().wall, options.quiet));
    return report->damage.empty() ? ExitCode::ok : damage_found;
}

void add_verify(Command spool, Context& context) {
    const Command command =
        spool.add_subcommand("verify", "Check a whole spool and report its contents");
    const auto options = std::make_shared<VerifyOptions>();
    command
        .add_option("DIR", options->directory,
                    "The spool.directory of the configuration, like /var/lib/flowrelay")
        .required()
        .type_name("")
        .not_empty();
    command.add_flag("--json", options->as_json, "Lines of JSON");
    command.add_flag("-q,--quiet", options->quiet, "No line for each file");
    command.footer(
        "flowrelayd must not use it. Nothing is written, repaired or removed.\n"
        "\n"
        "Exit status: 0 nothing is damaged, 1 it can't be read, 2 something is damaged, 64 wrong "
        "options.");
    command.callback([options, &context] { context.run = [options] { return verify(*options); }; });
}

ExitCode adopt(const Context& context) {
    Operator daemon(context);
    if (!daemon.post("/v1/spool/adopt", {})) return daemon.exit_code();
    fmt::print("The spool belongs to this machine now, and its events are delivered.\n");
    return ExitCode::ok;
}

void add_adopt(Command spool, Context& context) {
    const Command command =
        spool.add_subcommand("adopt", "Deliver events from a spool that came from another machine");
    command.footer(
        "flowrelayd posts nothing from a state directory that another machine used last (a copy, "
        "or a clone\n"
        "of the machine), because that machine may post the same events. Run this command when it "
        "is\n"
        "switched off for good.");
    command.callback([&context] { context.run = [&context] { return adopt(context); }; });
}

std::string describe_loss(std::uint64_t events, std::uint64_t letters) {
    const auto counted = [](std::uint64_t count, std::string_view what) {
        return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
    };
    if (letters == 0) return counted(events, "event");
    const std::string missing = counted(letters, "dead letter");
    return events == 0 ? missing : fmt::format("{} and {}", counted(events, "event"), missing);
}

/// Books exactly the loss that the plan shows, and not a further one since then.
ExitCode book_lost(const Context& context, bool plan) {
    Operator daemon(context);
    const auto reply = daemon.post("/v1/spool/book-lost", {{"plan", true}});
    if (!reply) return daemon.exit_code();
    const auto answer = parse_object(reply->body);
    const double unaccounted = answer ? number_of(*answer, "unaccounted").value_or(0) : 0;
    const double missing = answer ? number_of(*answer, "missing_letters").value_or(0) : 0;
    if (unaccounted < 0) {
        complain(
            fmt::format("the books have {:.0f} more outcomes than events: that is a bug and no "
                        "loss. Keep the spool and report it",
                        -unaccounted));
        return ExitCode::rejected;
    }
    const auto events = static_cast<std::uint64_t>(unaccounted);
    const auto letters = static_cast<std::uint64_t>(missing);
    if (events + letters == 0) {
        fmt::print("Nothing is unaccounted for: there is nothing to book.\n");
        return ExitCode::ok;
    }
    const std::string loss = describe_loss(events, letters);
    if (plan) {
        fmt::print("{} would be booked as lost.\n", loss);
        return ExitCode::ok;
    }
    if (!daemon.post("/v1/spool/book-lost", {{"events", events}, {"letters", letters}})) {
        return daemon.exit_code();
    }
    fmt::print("{} booked as lost: the books balance.\n", loss);
    return ExitCode::ok;
}

void add_book_lost(Command spool, Context& context) {
    const Command command = spool.add_subcommand(
        "book-lost",
        "Write off events that are unaccounted for, and dead letters that are missing");
    struct Options {
        bool plan = false;
        bool yes = false;
    };
    const auto options = std::make_shared<Options>();
    command.add_flag("--plan", options->plan, "Only show how many there are");
    command.add_flag("--yes", options->yes, "Do it; the spool records who did it and when");
    command.footer(
        "For events that a damaged spool has lost for good, and events whose dead letters are "
        "missing, after\n"
        "the damage was examined. They then count as lost, and the next loss raises an alarm "
        "again. If a\n"
        "missing segment is put back later, the next start no longer counts its events as lost.");
    command.callback([options, &context] {
        context.run = [options, &context] {
            if (options->plan == options->yes) {
                complain("--plan says how many events would be booked as lost, --yes does it");
                return ExitCode::usage;
            }
            return book_lost(context, options->plan);
        };
    });
}

ExitCode give_up(const std::string& path) {
    const auto file_system = storage::make_posix_file_system();
    struct stat before{};
    const bool known = ::stat(path.c_str(), &before) == 0;
    const auto lost = storage::declare_damaged(*file_system, path);
    // Give the copy that root has made to the service's user.
    if (known && ::geteuid() == 0 && ::chown(path.c_str(), before.st_uid, before.st_gid) != 0) {
        complain(system_error(errno, "give back to its owner", path).message);
        return ExitCode::can_not_tell;
    }
    if (lost.has_error()) {
        complain(lost.error().message);
        return ExitCode::can_not_tell;
    }
    if (lost->empty()) {
        fmt::print("{} can be read and was not cut short: nothing was changed\n", path);
        return ExitCode::ok;
    }
    for (const storage::LostBytes& range : *lost) {
        fmt::print("{}: {} bytes at offset {} are zeros now\n", path, range.bytes, range.offset);
    }
    fmt::print("What was in them is lost. Next: flowrelay spool verify, then start flowrelayd\n");
    return damage_found;
}

void add_declare_damaged(Command spool, Context& context) {
    const Command command = spool.add_subcommand(
        "declare-damaged", "Give up parts of a file that the disk can no longer read");
    const auto path = std::make_shared<std::string>();
    command.add_option("FILE", *path, "A file of the spool, as named in the error of flowrelayd")
        .required()
        .type_name("")
        .not_empty();
    command.footer(
        "For parts that the disk has lost for good. flowrelayd does not start with a file that it "
        "can't\n"
        "read, because a read error may be temporary: first try again, and copy the disk. "
        "flowrelayd\n"
        "must not run. The file is replaced by a copy of everything that can be read, with zeros "
        "for\n"
        "the rest. The next start reports what is lost (spool.damaged) and continues. If the file "
        "of\n"
        "the dead letters was cut short, zeros replace what was cut off.\n\n"
        "Exit status: 0 the file can be read and was not changed, 1 it can't be done, 2 bytes "
        "were\n"
        "given up, 64 wrong options.");
    command.callback([path, &context] { context.run = [path] { return give_up(*path); }; });
}

}  // namespace

void add_spool_commands(Command app, Context& context) {
    const Command spool = app.add_subcommand("spool", "Check a spool, or a disk for one");
    spool.require_subcommand();
    add_verify(spool, context);
    add_declare_damaged(spool, context);
    add_spool_test(spool, context);
    add_adopt(spool, context);
    add_book_lost(spool, context);
}

}  // namespace flowrelay::cli
