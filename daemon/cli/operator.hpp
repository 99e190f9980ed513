// What the commands that talk to the control socket have in common.
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

/// Asks the daemon. Nothing when that did not go well: then it was said why, and `exit_code` is
/// what the command ends with.
class Operator {
public:
    explicit Operator(const Context& context) : socket_(context.control()) {}

    std::optional<DaemonReply> get(std::string_view target);
    std::optional<DaemonReply> post(std::string_view target, const boost::json::object& body);

    /// Goes through all pages of a list, calling `page` with the lines of each; at most `limit`
    /// lines (0: all). False when it failed, or `page` gives false. `more`: there was more.
    bool pages(const std::string& target, std::size_t limit,
               const std::function<bool(const std::string& lines)>& page, bool& more);

    ExitCode exit_code() const noexcept { return exit_code_; }

private:
    std::optional<DaemonReply> call(std::string_view method, std::string_view target,
                                    std::string_view body);

    std::string socket_;
    ExitCode exit_code_ = ExitCode::try_later;
};

/// The lines of JSON in a text as objects; others are left out.
std::vector<boost::json::object> parse_lines(std::string_view lines);

/// Adds "name=value" to a target, when there is a value.
void add_query(std::string& target, std::string_view name, std::string_view value);

/// Prints text that ends with a line break, whether it had one or not.
void print_text(std::string_view text);

/// The same for JSON: on a terminal, characters that would steer it are escaped.
void print_json(std::string_view text);

/// What is to be retried, replayed or dropped.
struct Selection {
    std::vector<std::string> ids;  ///< "-": read them from stdin
    std::string source;
    std::string thread;
    bool all = false;

    bool empty() const { return ids.empty() && source.empty() && thread.empty() && !all; }
};

/// Ids, one a line: an id, a seq, or a line of `queue list --json` or `dead list --json`.
std::vector<std::string> read_ids(std::FILE* in);

/// Carries out a POST about a selection, in portions, and adds the numbers of the answers up.
/// `done`: the number that says how many were changed. False when it failed.
bool post_selection(Operator& daemon, std::string_view target, std::string_view done,
                    const Selection& selection, bool plan, boost::json::object& sum);

}  // namespace flowrelay::cli
