// The API with somebody's access token: their flows, and the sources in them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.hpp"
#include "cli/flow_setup.hpp"
#include "cli/held_signals.hpp"
#include "cli/line_input.hpp"
#include "flowrelay/app/api_client.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::cli {

class FlowAccess {
public:
    using Answer = app::ApiClient::Answer;

    /// All references outlive this. Throws ConfigError.
    FlowAccess(const app::Config& config, LineInput& input, const HeldSignals& signals);

    /// To be called first.
    void use(const Secret& access) { access_ = access; }

    /// A request and its answer, whatever that is.
    Result<Answer> try_call(std::string_view method, std::string_view target,
                            std::string_view body);

    /// The answer if it is 2xx. Otherwise it was said why not, as by says_why_not().
    std::optional<Answer> call(std::string_view method, std::string_view target,
                               std::string_view body, std::string_view what);

    /// Says what is wrong with an answer that is not 2xx and returns true; exit_code() is what the
    /// command ends with. `what`: "when asked for the flow".
    bool says_why_not(const Result<Answer>& answer, std::string_view what);

    /// `wanted`: ORG/FLOW, an id, or empty: it is chosen from a list.
    std::optional<Flow> find_flow(const std::string& wanted);

    /// Whose token it is, fit to print; empty: not known.
    std::string user();

    /// Those in a flow, by the place of its sources; nothing: not known.
    std::optional<std::vector<ListedSource>> sources(const std::string& place);

    ExitCode exit_code() const noexcept { return exit_code_; }

private:
    std::optional<Flow> choose_flow();

    std::string base_url_;
    LineInput& input_;
    const HeldSignals& signals_;
    app::ApiClient api_;
    Secret access_;
    ExitCode exit_code_ = ExitCode::try_later;
};

}  // namespace flowrelay::cli
