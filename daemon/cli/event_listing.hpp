// The subcommands `list` and `show` of `queue` and `dead`.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "cli/commands.hpp"

namespace flowrelay::cli {

/// Formats the lines of a list as a table.
using FormatEvents = std::string (*)(const std::vector<boost::json::object>& events, bool colour);

struct EventList {
    const char* help;
    const char* target;     ///< of the control socket: "/v1/queue"
    bool with_thread;       ///< offer --thread as well as --source
    const char* none;       ///< message on stderr if there are no events
    const char* none_such;  ///< message if the given source or thread has none
    FormatEvents format;
};

/// Adds `list` with --source, --limit and --json.
Command add_event_list(Command parent, Context& context, const EventList& list);

/// Adds `show ID` with --json. `target` is the list's.
void add_event_show(Command parent, Context& context, const char* help, const char* target);

}  // namespace flowrelay::cli
