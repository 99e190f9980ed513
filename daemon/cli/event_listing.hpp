// What `queue` and `dead` have in common: `list` and `show`.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace flowrelay::cli {

/// Makes a table of the lines of a list.
using FormatEvents = std::string (*)(const std::vector<boost::json::object>& events, bool colour);

struct EventList {
    const char* help;
    const char* target;     ///< of the control API: "/v1/queue"
    bool with_thread;       ///< --thread as well as --source
    const char* none;       ///< what is said on stderr when there is nothing to list, ...
    const char* none_such;  ///< ... or nothing of the source or thread that was asked for
    FormatEvents format;
};

/// Adds `list` with --source, --limit and --json.
Command add_event_list(Command parent, Context& context, const EventList& list);

/// Adds `show ID` with --json. `target` is that of the list.
void add_event_show(Command parent, Context& context, const char* help, const char* target);

}  // namespace flowrelay::cli
