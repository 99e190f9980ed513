// Request and result of reloading the configuration (SIGHUP, `flowrelay reload`).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/source_changes.hpp"

namespace flowrelay::runtime {

struct ReloadRequest {
    bool plan = false;         ///< only report what a reload would do; change nothing
    bool accept_loss = false;  ///< reload even if that drops dead letters
    /// When the oldest dead letter died; nothing if there are none.
    std::optional<WallTime> oldest_death{};
};

struct ReloadResult {
    /// The new file is in force, except the keys in `restart`. False: nothing has changed.
    bool applied = false;
    /// Keys whose new values are now in force ("retry.max"), and the sources that were read again
    /// ("sources.ci").
    std::vector<std::string> changed;
    /// What has changed in each source, or, for a plan, what would change.
    std::vector<core::SourceChange> sources;
    /// Keys whose new values take effect after a restart.
    std::vector<std::string> restart;
    /// Consequences of the new values for stored data, one sentence each.
    std::vector<std::string> consequences;
    /// The file is valid but would destroy data; `problems` says which. It takes effect only if the
    /// request accepts the loss.
    bool would_destroy = false;
    /// The file is in force, but its changes to the sources could not be written to the registry of
    /// tokens. The write is retried every ten seconds.
    std::optional<Error> not_saved;
    /// For a plan: the token slots as they would be after the reload.
    std::optional<core::TokenTable> planned;
    /// Why the file is not in force: one "FILE:LINE:COLUMN: MESSAGE" per problem.
    std::vector<std::string> problems;
};

/// Reads the file, checks it as at start-up, and puts all of it in force or changes nothing. Calls
/// `done` later, once the changes are in the registry of tokens or could not be written. I/O
/// thread; blocks while files are read.
using ReloadDone = std::function<void(ReloadResult)>;
using Reload = std::function<void(const ReloadRequest&, ReloadDone done)>;

}  // namespace flowrelay::runtime
