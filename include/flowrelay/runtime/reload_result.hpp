// What became of the wish to read the configuration anew (SIGHUP, `flowrelay reload`).
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace flowrelay::runtime {

struct ReloadResult {
    /// The new file is in force, but for what `restart` names. False: nothing has changed.
    bool applied = false;
    /// Keys whose new values count from now on ("retry.max"), and what was read anew of each source
    /// ("sources.ci").
    std::vector<std::string> changed;
    /// Keys whose new values count after a restart.
    std::vector<std::string> restart;
    /// Why it is not in force: "FILE:LINE:COLUMN: MESSAGE", one for each thing that is wrong.
    std::vector<std::string> problems;
};

/// Reads the file, checks it as the start does, puts it in force or leaves everything as it is. I/O
/// thread; blocks while files are read.
using Reload = std::function<ReloadResult()>;

}  // namespace flowrelay::runtime
