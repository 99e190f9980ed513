// Getting an access token from the server: somebody allows it in a browser, here or elsewhere, and
// the code comes to a listener on loopback or is pasted, whichever is first.
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
    bool may_browse = false;     ///< a browser may be opened on this machine
    Milliseconds wait{900'000};  ///< for the code
};

/// One authorization, bound to this process. Everything is said on stderr.
class Authorization {
public:
    /// All references outlive this. Throws ConfigError: the secret can't be read.
    Authorization(const app::Config& config, const AuthorizationOptions& options, LineInput& input,
                  const HeldSignals& signals);

    /// Shows the address, waits for the code and exchanges it. Nothing: it was said why, and
    /// exit_code() is what the command ends with.
    std::optional<AccessGrant> run();

    /// Gives an access token back to the server (RFC 7009). Says so if that fails.
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
    bool was_refused_ = false;  ///< the server did not take a code
    ExitCode exit_code_ = ExitCode::try_later;
};

}  // namespace flowrelay::cli
