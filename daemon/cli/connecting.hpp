// `flowrelay source connect`: from the flow to the daemon, without a source that is half connected.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/flow_setup.hpp"
#include "cli/held_signals.hpp"
#include "cli/line_input.hpp"
#include "flowrelay/app/api_client.hpp"
#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::cli {

struct ConnectOptions {
    std::string name;
    std::string flow;  ///< empty: chosen from a list
    std::string access_token_file;
    std::string title;  ///< empty: the name
    std::string url;
    std::string config = "/etc/flowrelay/flowrelay.yaml";
    unsigned wait_seconds = 900;
    bool no_browser = false;
    bool interactive = false;
    bool yes = false;
    bool hello = false;
    bool as_json = false;
};

/// Makes one source with an access token. Each step says what went wrong, and sets exit_code().
class Connecting {
public:
    /// All references outlive this. Throws ConfigError.
    Connecting(const Context& context, const ConnectOptions& options, const app::Config& config,
               LineInput& input, const HeldSignals& signals);

    /// Whether the daemon would take a source of this name: asked before anything is made, since a
    /// flow_token is shown once.
    bool can_begin();

    bool run(const Secret& access);

    ExitCode exit_code() const noexcept { return exit_code_; }

private:
    using Answer = app::ApiClient::Answer;

    std::optional<Answer> call(std::string_view method, std::string_view target,
                               std::string_view body, std::string_view what);
    std::optional<Flow> find_flow();
    std::optional<Flow> choose_flow();
    bool may_go_on(const Flow& flow);
    void learn_user();
    void list_before();
    std::optional<NewSource> make();
    bool has_usable_token(const NewSource& source) const;
    bool hand_over(const NewSource& source);
    std::optional<bool> is_with_daemon();
    void look_for_lost_source();
    void take_back(const std::string& id);
    bool say_hello();
    void show(const NewSource& source) const;
    bool stop_if_interrupted();
    const std::string& title() const {
        return options_.title.empty() ? options_.name : options_.title;
    }
    std::string flow_name() const;

    const Context& context_;
    const ConnectOptions& options_;
    const app::Config& config_;
    LineInput& input_;
    const HeldSignals& signals_;
    app::ApiClient api_;
    Secret access_;
    std::string user_;
    Flow flow_;
    std::string place_;  ///< of the flow's sources
    std::optional<std::vector<ListedSource>>
        before_;  ///< those that were there; nothing: not known
    ExitCode exit_code_ = ExitCode::try_later;
};

}  // namespace flowrelay::cli
