// Calls to the API with a user's access token, for a command: failures are printed on stderr, and
// the user can choose a flow from a list.
#pragma once

#include <optional>
#include <string>

#include "cli/exit_code.hpp"
#include "cli/held_signals.hpp"
#include "cli/line_input.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/client/flow_api.hpp"
#include "flowrelay/client/flow_setup.hpp"

namespace flowrelay::cli {

using client::Flow;
using client::ListedSource;
using client::NewSource;

class FlowAccess final : public client::FlowApi {
public:
    /// All references must outlive this. Throws ConfigError.
    FlowAccess(const app::Config& config, LineInput& input, const HeldSignals& signals);

    /// Finds a flow. `wanted` is ORG/FLOW, an id, or empty: then the user chooses from a list.
    std::optional<Flow> find_flow(const std::string& wanted);

    /// Returns the owner of the token, safe to print; empty if unknown.
    std::string user() { return person().title(); }

    /// Returns the command's exit code after a failure.
    ExitCode exit_code() const noexcept { return exit_code_of(failure()); }

private:
    std::optional<Flow> choose_flow();

    LineInput& input_;
    const HeldSignals& signals_;
};

}  // namespace flowrelay::cli
