// Gets the access token of a command: from a file, or from a user who allows access in a browser.
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
    std::string token_file;  ///< "-": stdin; empty: get one from the server
    std::string config = "/etc/flowrelay/flowrelay.yaml";
    unsigned wait_seconds = 900;
    bool no_browser = false;
    bool interactive = false;  ///< a user can be asked; see is_interactive()
};

/// Returns whether a user can be asked: stdin and stderr are a terminal, and the token is not read
/// from stdin.
bool is_interactive(const AccessOptions& options);

/// The work of a command with an access token. All references given to it stay valid until it ends.
class AccessUser {
public:
    virtual ~AccessUser() = default;
    /// Checks what can be checked without a token. Any result but `ok` ends the command.
    virtual ExitCode prepare() = 0;
    virtual ExitCode work(const Secret& access) = 0;
};
using MakeAccessUser = std::function<std::unique_ptr<AccessUser>(
    const app::Config& config, LineInput& input, const HeldSignals& signals)>;

/// Reads the configuration, calls prepare(), gets the token, calls work(), and revokes the token if
/// it came from the server. Holds back signals that would end the process until then.
ExitCode run_with_access(const AccessOptions& options, const MakeAccessUser& make);

}  // namespace flowrelay::cli
