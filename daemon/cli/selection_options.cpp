#include "cli/selection_options.hpp"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <cstdio>

#include "cli/json_members.hpp"
#include "cli/operator_text.hpp"
#include "cli/terminal.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

std::shared_ptr<SelectionOptions> add_selection(Command command, bool with_thread, bool destroys) {
    auto options = std::make_shared<SelectionOptions>();
    command
        .add_option("ID", options->selection.ids,
                    "Ids or seqs; - reads them from stdin, one a line, or the lines of list --json")
        .type_name("")
        .not_empty();
    command.add_option("--source", options->selection.source, "All of this source")
        .type_name("NAME")
        .not_empty();
    if (with_thread) {
        command.add_option("--thread", options->selection.thread, "All of this thread")
            .type_name("ID")
            .not_empty();
    }
    command.add_flag("--all", options->selection.all, "All there are");
    command.add_flag("--plan", options->plan, "Only say what would be done");
    if (destroys) command.add_flag("--yes", options->yes, "Do it: what goes can't be brought back");
    command.add_flag("--json", options->as_json, "As JSON");
    return options;
}

bool check_selection(const SelectionOptions& options, bool harmless) {
    const Selection& selection = options.selection;
    const bool filter = !selection.source.empty() || !selection.thread.empty();
    const int ways = (selection.ids.empty() ? 0 : 1) + (filter ? 1 : 0) + (selection.all ? 1 : 0);
    if (ways != 1) {
        complain(ways == 0 ? "say which: ids, - for ids on stdin, --source, --thread or --all"
                           : "ids, --source or --thread, and --all exclude each other");
        return false;
    }
    if (harmless || options.plan || options.yes) return true;
    complain("this can't be undone: --plan says what would be done, --yes does it");
    return false;
}

void print_examples(const json::array& examples, bool dead) {
    std::vector<json::object> shown;
    for (const json::value& item : examples) {
        if (item.is_object() && shown.size() < 5) shown.push_back(item.get_object());
    }
    if (shown.empty()) return;
    const bool colour = wants_colour(stdout);
    print_text("the first of them:\n" +
               (dead ? format_dead(shown, colour) : format_events(shown, colour)));
}

namespace {

/// A seq, or an id that the relay has made.
bool is_id(std::string_view text) {
    const bool digits = text.find_first_not_of("0123456789") == text.npos;
    return digits || (text.size() == 36 && text[8] == '-' && text[13] == '-');
}

}  // namespace

bool complain_of_missing(const json::object& sum, std::string_view is) {
    const json::array* missing = array_of(sum, "not_found");
    if (missing == nullptr || missing->empty()) return false;
    constexpr std::size_t most = 10;
    bool looks_like_thread = false;
    for (std::size_t i = 0; i < missing->size() && i < most; ++i) {
        const json::value& id = (*missing)[i];
        if (!id.is_string()) continue;
        complain(fmt::format("no event {} {}", app::printable(id.get_string()), is));
        looks_like_thread = looks_like_thread || !is_id(id.get_string());
    }
    if (missing->size() > most) {
        complain(fmt::format("nor {}", app::counted(missing->size() - most, "other")));
    }
    if (looks_like_thread) note("A thread is named with --thread, a source with --source.");
    return true;
}

}  // namespace flowrelay::cli
