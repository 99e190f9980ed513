#include "cli/access.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "cli/authorization.hpp"
#include "cli/complain.hpp"
#include "cli/read_secret.hpp"
#include "flowrelay/app/core_dumps.hpp"
#include "flowrelay/app/secret_file.hpp"

namespace flowrelay::cli {

namespace {

Result<Secret> read_access_token(const std::string& file) {
    const app::SecretRules rules{"access token", 4096, false};
    if (file == "-") return app::check_secret(read_secret_line("The access token"), rules);
    return app::read_secret_file(file, app::FileMode::checked, rules);
}

ExitCode work_with(const AccessOptions& options, const app::Config& config, const Secret& given,
                   const MakeAccessUser& make) {
    const HeldSignals signals;
    LineInput input(STDIN_FILENO);
    const auto user = make(config, input, signals);
    const ExitCode prepared = user->prepare();
    if (prepared != ExitCode::ok) return prepared;
    if (!options.token_file.empty()) return user->work(given);
    AuthorizationOptions how;
    how.may_browse = options.interactive && !options.no_browser && ::geteuid() != 0;
    how.wait = Seconds(options.wait_seconds);
    Authorization authorization(config, how, input, signals);
    const auto access = authorization.run();
    if (!access) return authorization.exit_code();
    const ExitCode exit_code = user->work(access->access_token);
    authorization.revoke(access->access_token);
    return exit_code;
}

}  // namespace

bool is_interactive(const AccessOptions& options) {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1 && options.token_file != "-";
}

ExitCode run_with_access(const AccessOptions& options, const MakeAccessUser& make) {
    app::forbid_core_dumps();
    Secret given;
    if (!options.token_file.empty()) {
        auto read = read_access_token(options.token_file);
        const bool from_stdin = options.token_file == "-";
        if (!read) {
            complain(fmt::format("{}: access token: {}", from_stdin ? "stdin" : options.token_file,
                                 read.error().message));
            return from_stdin ? ExitCode::usage : ExitCode::bad_config;
        }
        given = std::move(*read);
    }
    try {
        const app::Config config = app::load_config(options.config);
        return work_with(options, config, given, make);
    } catch (const app::ConfigError& error) {
        complain(error.what());
        return ExitCode::bad_config;
    }
}

}  // namespace flowrelay::cli
