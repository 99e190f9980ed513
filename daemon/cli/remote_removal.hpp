// `flowrelay source remove --delete-remote`: a source is removed from its flow, and then here.
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
    std::string flow;       ///< empty: chosen from a list
    std::string title;      ///< what the flow calls it; empty: the name
    std::string source_id;  ///< empty: found by its title
    bool is_known = false;  ///< source_id is what the daemon has noted
    AccessOptions access;

    /// Whether anything is given that means nothing unless `wanted`.
    bool says_something() const;
};

/// Takes flow and id from what the daemon says of a source, if it knows and the options do not say
/// otherwise. Pure.
void use_known_source(RemoteOptions& options, const boost::json::object& source);

/// Removes one source at the server, and then here. Everything that goes wrong is said; what was
/// removed by then, too.
class RemoteRemoval final : public AccessUser {
public:
    /// Removes the source from the daemon, and says how that went.
    using RemoveHere = std::function<ExitCode()>;

    /// All references outlive this. Throws ConfigError.
    RemoteRemoval(const Context& context, const std::string& name, const RemoteOptions& options,
                  RemoveHere remove_here, const app::Config& config, LineInput& input,
                  const HeldSignals& signals);

    /// Whether the daemon has the source.
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

/// The one source that is meant: by its id if there is one, or else by its name. Nothing, and what
/// to do in `problem`, if that is not exactly one. Pure.
std::optional<ListedSource> choose_source(const std::vector<ListedSource>& sources,
                                          const std::string& id, const std::string& title,
                                          std::string& problem);

}  // namespace flowrelay::cli
