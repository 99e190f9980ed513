// flowrelay config
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/app/destination_files.hpp"

namespace flowrelay::cli {

namespace {

/// Whether the token of a source can be seen from here: credentials and variables are given to the
/// service alone.
bool is_visible(const app::SourceConfig& source) {
    if (!source.flow_token_file.empty()) return true;
    const char* name = source.flow_token_credential.empty() ? source.flow_token_env.c_str()
                                                            : "CREDENTIALS_DIRECTORY";
    return std::getenv(name) != nullptr;
}

/// Reads certificates, keys and the proxy's password. Throws ConfigError.
void check_destination(const app::DestinationConfig& destination, const std::string& path) {
    if (app::needs_missing_credentials(destination)) {
        fmt::print(stderr,
                   "{}: the credentials of the destination are given to the service alone and were "
                   "not checked\n",
                   path);
        return;
    }
    app::make_tls_context(destination);
    app::load_proxy_credentials(destination);
    const std::string exposed = app::warn_of_exposed_key(destination);
    if (!exposed.empty()) fmt::print(stderr, "{}: warning: {}\n", path, exposed);
}

ExitCode check_config(const std::string& path) {
    bool usable = true;
    const auto complain = [&](const app::ConfigError& error) {
        fmt::print(stderr, "{}\n", error.what());
        usable = false;
    };
    app::Config config;
    try {
        config = app::load_config(path);
    } catch (const app::ConfigError& error) {
        complain(error);
        return ExitCode::bad_config;
    }
    for (const app::SourceConfig& source : config.sources) {
        if (!is_visible(source)) {
            fmt::print(stderr,
                       "{}: the token of source `{}` is given to the service alone and was not "
                       "checked\n",
                       path, source.name);
            continue;
        }
        try {
            app::load_token(source);
        } catch (const app::ConfigError& error) {
            complain(error);
        }
    }
    try {
        check_destination(config.destination, path);
    } catch (const app::ConfigError& error) {
        complain(error);
    }
    if (!usable) return ExitCode::bad_config;
    fmt::print("{}: can be used; {} source{}\n", path, config.sources.size(),
               config.sources.size() == 1 ? "" : "s");
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
}

}  // namespace flowrelay::cli
