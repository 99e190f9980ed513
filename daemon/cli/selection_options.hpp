// Options of the commands that change many events at once.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <memory>

#include "cli/operator.hpp"

namespace flowrelay::cli {

struct SelectionOptions {
    Selection selection;
    bool plan = false;
    bool yes = false;
    bool as_json = false;
};

/// Adds ID.., --source, --thread (if `with_thread`), --all, --plan, --yes (if the command
/// `destroys` data) and --json.
std::shared_ptr<SelectionOptions> add_selection(Command command, bool with_thread, bool destroys);

/// Returns whether the options are valid, and prints what is wrong with them. `harmless`: neither
/// --plan nor --yes is required.
bool check_selection(const SelectionOptions& options, bool harmless);

/// Prints the first events of a plan.
void print_examples(const boost::json::array& examples, bool dead);

/// Prints which ids were not found ("no event 7 IS"). Returns whether there were any.
bool complain_of_missing(const boost::json::object& sum, std::string_view is);

}  // namespace flowrelay::cli
