// `flowrelay source remove --delete-remote`: removes a source from its flow, then from the daemon.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/access.hpp"
#include "cli/commands.hpp"
#include "cli/flow_access.hpp"

namespace flowrelay::cli {

struct RemoteOptions {
    bool wanted = false;
    std::string flow;       ///< empty: the user chooses from a list
    std::string title;      ///< its name in the flow; empty: same as the name
    std::string source_id;  ///< empty: found by its title
    bool is_known = false;  ///< source_id comes from the daemon's record
    AccessOptions access;

    /// Returns whether an option is given that is only valid if `wanted`.
    bool says_something() const;
};

/// Sets flow and id from the daemon's information about a source, unless the options name them.
/// Pure.
void use_known_source(RemoteOptions& options, const boost::json::object& source);

/// Removes one source at the server, then from the daemon. Prints all failures, and what was
/// already removed.
class RemoteRemoval final : public AccessUser {
public:
    /// Removes the source from the daemon, and prints the result.
    using RemoveHere = std::function<ExitCode()>;

    /// All references must outlive this. Throws ConfigError.
    RemoteRemoval(const Context& context, const std::string& name, const RemoteOptions& options,
                  RemoveHere remove_here, const app::Config& config, LineInput& input,
                  const HeldSignals& signals);

    /// Checks whether the daemon has the source.
    ExitCode prepare() override;

    ExitCode work(const Secret& access) override;

private:
    std::optional<ListedSource> choose(const Flow& flow);

    const Context& context_;
    const std::string& name_;
    const RemoteOptions& options_;
    RemoveHere remove_here_;
    const HeldSignals& signals_;
    FlowAccess api_;
    ExitCode exit_code_ = ExitCode::try_later;
};

/// Returns the source with the id, or without an id the one with the title. If that is not exactly
/// one, returns nothing and sets `problem` to what to do. Pure.
std::optional<ListedSource> choose_source(const std::vector<ListedSource>& sources,
                                          const std::string& id, const std::string& title,
                                          std::string& problem);

}  // namespace flowrelay::cli
