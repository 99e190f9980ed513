// The options of the commands that change many events at once.
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

/// Adds ID.., --source, --thread (where there are threads), --all, --plan, --yes (where something
/// is destroyed) and --json.
std::shared_ptr<SelectionOptions> add_selection(Command command, bool with_thread, bool destroys);

/// Says what is wrong with them. `harmless`: neither --plan nor --yes is needed.
bool check_selection(const SelectionOptions& options, bool harmless);

/// The first of the events that a plan is about.
void print_examples(const boost::json::array& examples, bool dead);

/// Says which of the ids were not found ("no event 7 IS"). Whether there were any.
bool complain_of_missing(const boost::json::object& sum, std::string_view is);

}  // namespace flowrelay::cli
