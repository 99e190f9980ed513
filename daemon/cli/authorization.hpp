// Gets an access token from the server: a user allows access in a browser, on this machine or
// another one. The code arrives at a listener on loopback or is pasted, whichever is first.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/callback_listener.hpp"
#include "cli/exit_code.hpp"
#include "cli/held_signals.hpp"
#include "cli/line_input.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/client/oauth.hpp"

namespace flowrelay::cli {

using client::AccessGrant;
using client::AuthorizationRequest;
using client::Grant;

struct AuthorizationOptions {
    bool may_browse = false;     ///< may open a browser on this machine
    Milliseconds wait{900'000};  ///< for the code
};

/// One authorization, bound to this process. Writes all messages to stderr.
class Authorization {
public:
    /// All references must outlive this. Throws ConfigError if the secret can't be read.
    Authorization(const app::Config& config, const AuthorizationOptions& options, LineInput& input,
                  const HeldSignals& signals);

    /// Shows the address, waits for the code and exchanges it. On failure prints the reason and
    /// returns nothing; exit_code() then returns the command's exit code.
    std::optional<AccessGrant> run();

    /// Revokes an access token at the server (RFC 7009). Prints a message if that fails.
    void revoke(const Secret& access_token) const;

    ExitCode exit_code() const noexcept { return exit_code_; }

private:
    bool begin();
    void show_address() const;
    std::optional<std::string> wait_for_code(MonoTime deadline);
    std::optional<Grant> look_at_lines();
    std::optional<AccessGrant> exchange(const std::string& code, bool& ask_again);
    void fail(ExitCode exit_code, const std::string& message);

    const app::Config& config_;
    AuthorizationOptions options_;
    LineInput& input_;
    const HeldSignals& signals_;
    Secret client_secret_;
    AuthorizationRequest request_;
    std::string url_;
    std::unique_ptr<CallbackListener> listener_;
    bool was_refused_ = false;  ///< the server refused a code
    ExitCode exit_code_ = ExitCode::try_later;
};

}  // namespace flowrelay::cli
