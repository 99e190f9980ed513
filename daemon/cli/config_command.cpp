// flowrelay config
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "cli/commands.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/app/config_check.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

/// One object a line; the last says how it comes out.
void print_findings(const app::ConfigFindings& findings) {
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
    line({{"type", "summary"},
          {"usable", findings.problems.empty()},
          {"sources", findings.sources},
          {"problems", findings.problems.size()}});
}

ExitCode check_config(const std::string& path, bool as_json) {
    const app::ConfigFindings findings = app::check_config(path);
    const ExitCode exit_code = findings.problems.empty() ? ExitCode::ok : ExitCode::bad_config;
    if (as_json) {
        print_findings(findings);
        return exit_code;
    }
    for (const auto& text : findings.not_checked) note(text);
    for (const auto& text : findings.warnings) note("warning: " + text);
    for (const auto& problem : findings.problems) note(to_string(problem));
    if (exit_code != ExitCode::ok) return exit_code;
    fmt::print("{}: can be used; {} source{}\n", path, findings.sources,
               findings.sources == 1 ? "" : "s");
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
    const auto path = std::make_shared<std::string>("/etc/flowrelay/flowrelay.yaml");
    check.add_option("FILE", *path, "The file (" + *path + ")").type_name("");
    check.footer(
        "Also reads the files that it names. Exit status: 0, 64 wrong options, 78 problems found.");
    const auto as_json = std::make_shared<bool>(false);
    check.add_flag("--json", *as_json, "Lines of JSON");
    check.callback([path, as_json, &context] {
        context.run = [path, as_json] { return check_config(*path, *as_json); };
    });

    const Command show =
        config.add_subcommand("show", "Print what is in force with a file, defaults included");
    show.add_option("FILE", *path, "The file (" + *path + ")").type_name("");
    show.footer(
        "As a file that says the same. Tokens are not in it: a configuration only says where they\n"
        "are. Exit status: 0, 64 wrong options, 78 the file can't be used.");
    show.callback([path, &context] { context.run = [path] { return show_config_file(*path); }; });
}

}  // namespace flowrelay::cli
