// What became of the wish to read the configuration anew (SIGHUP, `flowrelay reload`).
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
    bool plan = false;                       ///< only say what it would do: nothing changes
    bool accept_loss = false;                ///< also if dead letters are dropped by it
    std::optional<WallTime> oldest_death{};  ///< of the dead letters; nothing if there are none
};

struct ReloadResult {
    /// The new file is in force, but for what `restart` names. False: nothing has changed.
    bool applied = false;
    /// Keys whose new values count from now on ("retry.max"), and what was read anew of each source
    /// ("sources.ci").
    std::vector<std::string> changed;
    /// What differs of each source; of a plan, what would.
    std::vector<core::SourceChange> sources;
    /// Keys whose new values count after a restart.
    std::vector<std::string> restart;
    /// What the new values mean for what is stored, a sentence each.
    std::vector<std::string> consequences;
    /// The file is right, but would have data destroyed: `problems` says what. It is put in force
    /// when the loss is accepted.
    bool would_destroy = false;
    /// In force, but the registry of tokens has not taken what it changes of the sources. Tried
    /// again every ten seconds.
    std::optional<Error> not_saved;
    /// Of a plan: the slots as they would be.
    std::optional<core::TokenTable> planned;
    /// Why it is not in force: "FILE:LINE:COLUMN: MESSAGE", one for each thing that is wrong.
    std::vector<std::string> problems;
};

/// Reads the file, checks it as the start does, puts it in force or leaves everything as it is.
/// Calls `done` later, when the registry of tokens has what changed, or could not take it. I/O
/// thread; blocks while files are read.
using ReloadDone = std::function<void(ReloadResult)>;
using Reload = std::function<void(const ReloadRequest&, ReloadDone done)>;

}  // namespace flowrelay::runtime
