// The API with somebody's access token, for a command: what goes wrong is said on stderr, and a
// flow can be chosen from a list.
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
    /// All references outlive this. Throws ConfigError.
    FlowAccess(const app::Config& config, LineInput& input, const HeldSignals& signals);

    /// `wanted`: ORG/FLOW, an id, or empty: it is chosen from a list.
    std::optional<Flow> find_flow(const std::string& wanted);

    /// Whose token it is, fit to print; empty: not known.
    std::string user() { return person().title(); }

    /// What the command ends with after something was said.
    ExitCode exit_code() const noexcept { return exit_code_of(failure()); }

private:
    std::optional<Flow> choose_flow();

    LineInput& input_;
    const HeldSignals& signals_;
};

}  // namespace flowrelay::cli
