// flowrelay config
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/reload_text.hpp"
#include "cli/service_unit.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/app/config_check.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

/// Prints one JSON object per line; the last has the result.
void print_findings(const app::ConfigFindings& findings, const std::string& user,
                    std::optional<json::object> plan) {
    const auto line = [](json::object object) { print_json(json::serialize(object)); };
    for (const auto& problem : findings.problems) {
        json::object found{
            {"type", "problem"}, {"file", problem.file}, {"message", problem.message}};
        if (problem.line > 0) found["line"] = problem.line;
        if (problem.column > 0) found["column"] = problem.column;
        line(std::move(found));
    }
    for (const auto& text : findings.warnings) line({{"type", "warning"}, {"message", text}});
    for (const auto& text : findings.not_checked) {
        line({{"type", "not_checked"}, {"message", text}});
    }
    if (plan) {
        plan->insert_or_assign("type", "reload");
        line(std::move(*plan));
    }
    json::object summary{{"type", "summary"},
                         {"usable", findings.problems.empty()},
                         {"sources", findings.sources},
                         {"problems", findings.problems.size()}};
    if (!user.empty()) summary["user"] = user;
    line(std::move(summary));
}

struct CheckOptions {
    std::string path = "/etc/flowrelay/flowrelay.yaml";
    std::string user;
    std::string unit = "flowrelayd.service";
    bool json = false;
};

/// Adds problems that the service would have as its user. The file itself is valid.
void check_service(const CheckOptions& options, const app::ServiceView& service, bool is_user,
                   app::ConfigFindings& findings) {
    try {
        const app::Config config = app::load_config(options.path);
        auto problems = app::check_for_service(config, options.path, service);
        if (is_user && problems.empty()) {
            problems = check_as_this_user(config, options.path, service, options.user);
        }
        findings.problems.insert(findings.problems.end(), problems.begin(), problems.end());
    } catch (const app::ConfigError&) {
        // This was printed already.
    }
}

/// Asks a running daemon what a reload of this file would do. Returns nothing if no daemon runs,
/// this user may not ask it, or it uses another file.
std::optional<json::object> reload_plan(const std::string& socket, const std::string& path) {
    const auto reply = call_daemon(socket, "POST", "/v1/reload", R"({"plan":true})", patience);
    if (!reply || !reply->ok()) return std::nullopt;
    auto plan = parse_object(reply->body);
    if (!plan) return std::nullopt;
    std::error_code error;
    const bool same = std::filesystem::equivalent(text_of(*plan, "file"), path, error);
    if (error || !same) return std::nullopt;
    return std::move(*plan);
}

ExitCode check_config(CheckOptions options, const std::string& socket) {
    auto plan = reload_plan(socket, options.path);  // as the user who runs the command
    if (options.unit.find('.') == options.unit.npos) options.unit += ".service";
    const bool is_asked = !options.user.empty();
    app::ServiceView service;
    if (::geteuid() == 0 || is_asked) {
        if (const auto found = ask_for_service(options.unit)) {
            if (!is_asked) options.user = found->user;
            if (found->user == options.user) service = *found;
        }
    }
    app::ConfigFindings findings;
    bool is_user = !options.user.empty();
    if (is_user) {
        if (const std::string problem = become(options.user, service); !problem.empty()) {
            if (is_asked) {
                note(problem);
                return ExitCode::not_permitted;
            }
            findings.not_checked.push_back(
                fmt::format("what {} can read was not checked: {}", options.unit, problem));
            is_user = false;
        }
    }
    const app::ConfigFindings found = app::check_config(options.path);
    findings.problems = found.problems;
    findings.warnings = found.warnings;
    findings.sources = found.sources;
    findings.not_checked.insert(findings.not_checked.end(), found.not_checked.begin(),
                                found.not_checked.end());
    if (!options.user.empty()) check_service(options, service, is_user, findings);
    const ExitCode exit_code = findings.problems.empty() ? ExitCode::ok : ExitCode::bad_config;
    if (exit_code != ExitCode::ok) plan.reset();
    const std::string user = is_user ? options.user : "";
    if (options.json) {
        print_findings(findings, user, std::move(plan));
        return exit_code;
    }
    const std::string& path = options.path;
    if (is_user) note(fmt::format("checking as the user {}", user));
    for (const auto& text : findings.not_checked) note(text);
    for (const auto& text : findings.warnings) note("warning: " + text);
    for (const auto& problem : findings.problems) note(to_string(problem));
    if (exit_code != ExitCode::ok) return exit_code;
    fmt::print("{}: can be used; {} source{}\n", path, findings.sources,
               findings.sources == 1 ? "" : "s");
    if (plan) print_text(format_reload_plan(*plan));
    return ExitCode::ok;
}

ExitCode show_config_file(const std::string& path) {
    try {
        print_text(app::show_config(app::load_config(path)));
    } catch (const app::ConfigError& error) {
        note(error.what());
        return ExitCode::bad_config;
    }
    return ExitCode::ok;
}

}  // namespace

void add_config_commands(Command app, Context& context) {
    const Command config = app.add_subcommand("config", "Work with the configuration file");
    config.require_subcommand();
    const Command check =
        config.add_subcommand("check", "Say everything that is wrong with a file");
    const auto options = std::make_shared<CheckOptions>();
    check.add_option("FILE", options->path, "The file (" + options->path + ")").type_name("");
    check
        .add_option("--user", options->user,
                    "Check as this user. As root: the user of the unit, if it exists")
        .type_name("NAME")
        .not_empty();
    check
        .add_option("--unit", options->unit,
                    "The unit whose user and sandbox apply (" + options->unit + ")")
        .type_name("NAME")
        .not_empty();
    check.footer(
        "Also reads the files that it names, like the service. If flowrelayd runs with this file, "
        "the\n"
        "command asks it what a reload would change and destroy. Exit status: 0, 64 wrong "
        "options,\n"
        "77 only root can check as another user, 78 problems found.");
    check.add_flag("--json", options->json, "Lines of JSON");
    check.callback([options, &context] {
        context.run = [options, &context] { return check_config(*options, context.control()); };
    });
    const auto path = std::make_shared<std::string>(options->path);

    const Command show =
        config.add_subcommand("show", "Print the effective configuration, defaults included");
    show.add_option("FILE", *path, "The file (" + *path + ")").type_name("");
    show.footer(
        "The output is a configuration file. It contains no tokens: a configuration only says "
        "where they\n"
        "are. Exit status: 0, 64 wrong options, 78 the file can't be used.");
    show.callback([path, &context] { context.run = [path] { return show_config_file(*path); }; });
}

}  // namespace flowrelay::cli
