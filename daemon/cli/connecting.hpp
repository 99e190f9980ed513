// `flowrelay source connect`: creates a source in a flow and gives it to the daemon, without
// leaving one half connected.
#pragma once

#include <string>

#include "cli/access.hpp"
#include "cli/commands.hpp"
#include "cli/flow_access.hpp"
#include "cli/held_signals.hpp"
#include "cli/line_input.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/client/flow_setup.hpp"
#include "flowrelay/client/source_making.hpp"

namespace flowrelay::cli {

struct ConnectOptions {
    std::string name;
    std::string flow;   ///< empty: the user chooses from a list
    std::string title;  ///< empty: same as the name
    std::string url;
    AccessOptions access;
    bool yes = false;
    bool hello = false;
    bool as_json = false;
};

/// Creates one source with an access token. Each step prints what went wrong.
class Connecting final : public AccessUser {
public:
    /// All references must outlive this. Throws ConfigError.
    Connecting(const Context& context, const ConnectOptions& options, const app::Config& config,
               LineInput& input, const HeldSignals& signals);

    /// Checks whether the daemon would accept a source with this name. Runs before a source is
    /// created, because the API shows a flow_token only once.
    ExitCode prepare() override;

    ExitCode work(const Secret& access) override;

private:
    bool connect();
    bool may_go_on(const Flow& flow);
    bool say_hello();
    void show(const NewSource& source) const;
    bool stop_if_interrupted();
    const std::string& title() const {
        return options_.title.empty() ? options_.name : options_.title;
    }

    const Context& context_;
    const ConnectOptions& options_;
    const app::Config& config_;
    LineInput& input_;
    const HeldSignals& signals_;
    FlowAccess api_;
    client::SourceMaking making_;
    std::string user_;
    ExitCode exit_code_ = ExitCode::try_later;
};

}  // namespace flowrelay::cli
