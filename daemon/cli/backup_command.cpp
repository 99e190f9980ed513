// flowrelay backup
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/backup_files.hpp"
#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/control_client.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/restore_owner.hpp"
#include "cli/state_copy.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/base/version.hpp"

namespace flowrelay::cli {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr auto damaged =
    static_cast<ExitCode>(2);  // the backup is complete, but the spool is damaged
// Passes continue while the daemon runs until little is left for the pass with stopped files.
constexpr int passes_in_motion = 4;
constexpr std::uint64_t little = 8ULL << 20;

struct BackupOptions {
    std::string directory;
    std::string config = "/etc/flowrelay/flowrelay.yaml";
    std::string state;
};

/// Asks the daemon to stop changing files. Returns its answer; nothing if it does not run.
Result<std::optional<json::object>> freeze(const std::string& socket) {
    const auto reply = call_daemon(socket, "POST", "/v1/spool/freeze", "{}", patience_with_disk);
    std::optional<json::object> answer;
    if (!reply && exit_code_of(reply.error()) == ExitCode::unavailable) return answer;
    if (!reply) return reply.error();
    if (!reply->ok()) return failure(message_of(*reply));
    auto object = parse_object(reply->body);
    if (!object) return object.error();
    answer = std::move(*object);
    return answer;
}

/// Lets the daemon continue. Returns whether the files were unchanged until now.
Result<bool> thaw(const std::string& socket) {
    const auto reply = call_daemon(socket, "POST", "/v1/spool/thaw", "{}", patience_with_disk);
    if (!reply) return reply.error();
    const auto answer = parse_object(reply->body);
    if (!reply->ok() || !answer) return failure(message_of(*reply));
    const json::value* still = answer->if_contains("stood_still");
    return still != nullptr && still->is_bool() && still->get_bool();
}

struct Copied {
    std::uint64_t bytes = 0;
    Milliseconds still{0};  ///< how long the daemon changed no files
    bool running = false;
};

/// Copies from a running daemon: passes while its files change, then one while they do not.
Result<Copied> copy_running(const std::string& socket, StateCopy& copy) {
    Copied copied;
    copied.running = true;
    for (int pass = 0; pass < passes_in_motion; ++pass) {
        const auto written = copy.pass();
        if (written.has_error()) return written.error();
        if (*written < little) break;
    }
    for (int attempt = 0; attempt < 3; ++attempt) {
        const auto answer = freeze(socket);
        if (answer.has_error()) return answer.error();
        if (!*answer) return failure("flowrelayd was stopped meanwhile: try again");
        const auto start = MonoTime::clock::now();
        const auto written = copy.pass();
        const auto stood_still = thaw(socket);
        if (written.has_error()) return written.error();
        if (stood_still.has_error()) return stood_still.error();
        copied.still = std::chrono::duration_cast<Milliseconds>(MonoTime::clock::now() - start);
        copied.bytes = copy.bytes();
        if (*stood_still) return copied;
    }
    return failure(
        "too much was written meanwhile: try again when there is less to do, or stop "
        "flowrelayd for the backup");
}

std::string mode_text(const std::string& path) {
    struct stat facts{};
    return ::stat(path.c_str(), &facts) == 0 ? fmt::format("{:04o}", facts.st_mode & 07777U) : "";
}

std::string owner_text(const std::string& path) {
    const auto owner = owner_of(path);
    return owner ? owner->name : std::string();
}

std::string group_text(const std::string& path) {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) return {};
    const group* entry = ::getgrgid(facts.st_gid);
    return entry != nullptr ? entry->gr_name : std::to_string(facts.st_gid);
}

/// Copies the configuration and the files that it names, to DIR/files with their whole paths.
Result<void> copy_configuration(const std::string& directory, const std::string& config_file,
                                json::object& manifest) {
    std::vector<std::string> paths{config_file};
    json::array left_out;
    app::Config config;
    try {
        config = app::load_config(config_file);
    } catch (const std::exception& error) {
        return failure(fmt::format("the configuration can't be read: {}", error.what()));
    }
    const auto add = [&paths](const std::string& path) {
        if (!path.empty()) paths.push_back(path);
    };
    const auto& to = config.destination;
    for (const auto& path :
         {to.ca_file, to.client_certificate, to.client_key, to.proxy_credentials_file,
          config.connect.client_secret_file, config.pages.client_secret_file}) {
        add(path);
    }
    const auto leave_out = [&left_out](std::string_view what, const std::string& name) {
        if (!name.empty()) left_out.push_back(json::value(fmt::format("{} {}", what, name)));
    };
    leave_out("the credential", to.client_certificate_credential);
    leave_out("the credential", to.client_key_credential);
    leave_out("the credential", to.proxy_credential);
    leave_out("the credential", config.connect.client_secret_credential);
    leave_out("the credential", config.pages.client_secret_credential);
    for (const auto& source : config.sources) {
        add(source.flow_token_file);
        leave_out("the credential", source.flow_token_credential);
        leave_out("the environment variable", source.flow_token_env);
    }
    json::array files;
    for (const std::string& path : paths) {
        const std::string absolute = fs::absolute(path).lexically_normal().string();
        const std::string name = "files" + absolute;
        if (auto done = copy_plain(absolute, directory + "/" + name); done.has_error()) {
            return done;
        }
        files.push_back(json::object{{"path", absolute},
                                     {"copy", name},
                                     {"mode", mode_text(absolute)},
                                     {"owner", owner_text(absolute)},
                                     {"group", group_text(absolute)}});
    }
    manifest["config_file"] = fs::absolute(config_file).lexically_normal().string();
    manifest["files"] = std::move(files);
    manifest["left_out"] = std::move(left_out);
    return {};
}

std::string host_name() {
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

Result<Copied> copy_state(const std::string& socket, BackupOptions& options) {
    const auto first = freeze(socket);
    if (first.has_error()) return first.error();
    if (*first) {
        // This freeze only returns where the files are. First they are copied while they change.
        if (auto done = thaw(socket); done.has_error()) return done.error();
        options.state = text_of(**first, "state_directory");
        options.config = text_of(**first, "config_file");
        StateCopy copy(options.state, options.directory + "/state");
        auto copied = copy_running(socket, copy);
        if (copied.has_error()) return copied.error();
        if (auto done = copy.sync(); done.has_error()) return done.error();
        return copied;
    }
    if (options.state.empty()) {
        try {
            options.state = app::load_config(options.config).spool.directory;
        } catch (const std::exception& error) {
            return failure(
                fmt::format("flowrelayd does not run, and its configuration can't be "
                            "read: {}",
                            error.what()));
        }
    }
    if (auto done = refuse_if_in_use(options.state); done.has_error()) return done.error();
    StateCopy copy(options.state, options.directory + "/state");
    if (auto written = copy.pass(); written.has_error()) return written.error();
    if (auto done = copy.sync(); done.has_error()) return done.error();
    if (auto done = refuse_if_in_use(options.state); done.has_error()) return done.error();
    return Copied{copy.bytes(), Milliseconds(0), false};
}

ExitCode run_backup(const std::string& socket, BackupOptions options) {
    std::error_code error;
    if (fs::exists(options.directory, error)) {
        complain(fmt::format("{} exists already: name a new directory", options.directory));
        return ExitCode::usage;
    }
    if (::mkdir(options.directory.c_str(), 0700) != 0) {
        return give_up(system_error(errno, "make the directory", options.directory));
    }
    const auto copied = copy_state(socket, options);
    if (copied.has_error()) return give_up(copied.error());
    const auto now = SystemClock().now().wall;
    json::object manifest{
        {"format", manifest_format},        {"version", std::string(version())},
        {"made", format_time(now)},         {"host", host_name()},
        {"state_directory", options.state}, {"state_owner", owner_text(options.state)}};
    if (auto done = copy_configuration(options.directory, options.config, manifest);
        done.has_error()) {
        return give_up(done.error());
    }
    // The backup is complete now.
    if (auto done = write_text(options.directory + "/manifest.json", json::serialize(manifest));
        done.has_error()) {
        return give_up(done.error());
    }
    const auto found = look_at_copy(options.directory + "/state");
    if (found.has_error()) return give_up(found.error());
    fmt::print("{}: {}, {} of files{}\n", options.directory, found->text,
               format_bytes(static_cast<double>(copied->bytes)),
               copied->running
                   ? fmt::format("; flowrelayd stood still for {}", format_duration(copied->still))
                   : "; flowrelayd does not run");
    for (const json::value& name : manifest["left_out"].as_array()) {
        fmt::print("not in it: {}\n", app::printable(name.as_string()));
    }
    fmt::print("It holds tokens and the contents of events: keep it as private as the original.\n");
    if (found->damage.empty()) return ExitCode::ok;
    complain(
        fmt::format("the backup is complete, but the spool is damaged: {}. `flowrelay spool verify "
                    "{}/state` reports everything",
                    found->damage, options.directory));
    return damaged;
}

}  // namespace

void add_backup_command(Command app, Context& context) {
    const Command backup = app.add_subcommand(
        "backup", "Copy the spool and the configuration, even while flowrelayd runs");
    const auto options = std::make_shared<BackupOptions>();
    backup.add_option("DIR", options->directory, "A new directory; it is created with mode 0700")
        .required()
        .type_name("")
        .not_empty();
    backup
        .add_option("--config", options->config,
                    "The configuration, if flowrelayd does not run (" + options->config + ")")
        .type_name("FILE")
        .not_empty();
    backup.footer(
        "Run it as root, or as the user of flowrelayd. The copy is consistent: most of it is "
        "copied while\n"
        "flowrelayd works, the rest while it stops writing for a moment. Then the copy is checked "
        "like\n"
        "`spool verify`. It contains tokens and the contents of events.\n"
        "\n"
        "Exit status: 0, 1 there is no backup, 2 there is one, but the spool is damaged, 64 wrong "
        "options.");
    backup.callback([options, &context] {
        context.run = [options, &context] { return run_backup(context.control(), *options); };
    });
}

}  // namespace flowrelay::cli
