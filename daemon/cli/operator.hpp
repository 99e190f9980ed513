// Functions shared by the commands that use the control socket.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/control_client.hpp"

namespace flowrelay::cli {

/// Sends requests to the daemon. On failure the methods print the reason and return nothing or
/// false; exit_code() then returns the command's exit code.
class Operator {
public:
    explicit Operator(const Context& context) : socket_(context.control()) {}

    std::optional<DaemonReply> get(std::string_view target);
    std::optional<DaemonReply> post(std::string_view target, const boost::json::object& body);

    /// Fetches all pages of a list and calls `page` with the lines of each, up to `limit` lines (0:
    /// all). Returns false on failure, or if `page` returns false. Sets `more` to whether the list
    /// continues.
    bool pages(const std::string& target, std::size_t limit,
               const std::function<bool(const std::string& lines)>& page, bool& more);

    ExitCode exit_code() const noexcept { return exit_code_; }

private:
    std::optional<DaemonReply> call(std::string_view method, std::string_view target,
                                    std::string_view body);

    std::string socket_;
    ExitCode exit_code_ = ExitCode::try_later;
};

/// Parses the lines that are JSON objects, and skips others.
std::vector<boost::json::object> parse_lines(std::string_view lines);

/// Adds "name=value" to the query of a target, unless the value is empty.
void add_query(std::string& target, std::string_view name, std::string_view value);

/// Prints text, and a line break if the text does not end with one.
void print_text(std::string_view text);

/// Prints JSON, and a line break if needed. On a terminal, escapes control characters.
void print_json(std::string_view text);

/// The events to retry, replay or drop.
struct Selection {
    std::vector<std::string> ids;  ///< "-": read them from stdin
    std::string source;
    std::string thread;
    bool all = false;

    bool empty() const { return ids.empty() && source.empty() && thread.empty() && !all; }
};

/// Reads ids, one per line: an id, a seq, or a line of `queue list --json` or `dead list --json`.
std::vector<std::string> read_ids(std::FILE* in);

/// POSTs a selection in batches and adds up the numbers in the answers. `done` is the name of the
/// number that counts changed events. Returns false on failure.
bool post_selection(Operator& daemon, std::string_view target, std::string_view done,
                    const Selection& selection, bool plan, boost::json::object& sum);

}  // namespace flowrelay::cli
