// Where a command has its access token from: a file, or somebody who allows it in a browser.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/exit_code.hpp"
#include "cli/held_signals.hpp"
#include "cli/line_input.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::cli {

struct AccessOptions {
    std::string token_file;  ///< "-": stdin; empty: the server is asked for a token
    std::string config = "/etc/flowrelay/flowrelay.yaml";
    unsigned wait_seconds = 900;
    bool no_browser = false;
    bool interactive = false;  ///< somebody sits at a terminal; see is_interactive()
};

/// Whether somebody can be asked: stdin and stderr are a terminal, and stdin brings no token.
bool is_interactive(const AccessOptions& options);

/// What a command does with an access token. All that is given lives until it has ended.
class AccessUser {
public:
    virtual ~AccessUser() = default;
    /// What can be found out without a token. Anything but `ok` ends the command.
    virtual ExitCode prepare() = 0;
    virtual ExitCode work(const Secret& access) = 0;
};
using MakeAccessUser = std::function<std::unique_ptr<AccessUser>(
    const app::Config& config, LineInput& input, const HeldSignals& signals)>;

/// Reads the configuration, prepares, gets the token, works, and gives a token that was asked for
/// back. Signals that end the process wait until then.
ExitCode run_with_access(const AccessOptions& options, const MakeAccessUser& make);

}  // namespace flowrelay::cli
