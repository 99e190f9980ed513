// flowrelay config
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/app/config_check.hpp"

namespace flowrelay::cli {

namespace {

ExitCode check_config(const std::string& path) {
    const app::ConfigFindings findings = app::check_config(path);
    for (const auto& text : findings.not_checked) note(text);
    for (const auto& text : findings.warnings) note("warning: " + text);
    for (const auto& problem : findings.problems) note(to_string(problem));
    if (!findings.problems.empty()) return ExitCode::bad_config;
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

void add_config_commands(CLI::App& app, Context& context) {
    CLI::App* config = app.add_subcommand("config", "Work with the configuration file");
    config->require_subcommand(1);
    CLI::App* check = config->add_subcommand("check", "Say everything that is wrong with a file");
    const auto path = std::make_shared<std::string>("/etc/flowrelay/flowrelay.yaml");
    check->add_option("FILE", *path, "The file (" + *path + ")")->type_name("");
    check->footer(
        "Also reads the files that it names. Exit status: 0, 64 wrong options, 78 problems found.");
    check->callback([path, &context] { context.run = [path] { return check_config(*path); }; });

    CLI::App* show =
        config->add_subcommand("show", "Print what is in force with a file, defaults included");
    show->add_option("FILE", *path, "The file (" + *path + ")")->type_name("");
    show->footer(
        "As a file that says the same. Tokens are not in it: a configuration only says where they\n"
        "are. Exit status: 0, 64 wrong options, 78 the file can't be used.");
    show->callback([path, &context] { context.run = [path] { return show_config_file(*path); }; });
}

}  // namespace flowrelay::cli
