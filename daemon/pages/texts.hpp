// What the pages say: HTML for page(). Pure; any thread.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/client/flow_setup.hpp"

namespace flowrelay::pages {

/// What happens when somebody comes to connect a source. `name`: of the invitation, or empty.
struct StartText {
    std::string server;  ///< the OAuth server, for people
    std::string name;
    std::string authorize;  ///< the URL that goes on
};
std::string start_connect(const StartText& text);
std::string start_configure(const StartText& text);

/// The confirmation. With one flow it is shown, with several one is chosen.
struct ConfirmText {
    std::string action;
    std::string csrf;
    std::vector<client::Flow> flows;
    std::size_t chosen = 0;
    std::string user;
    std::string name;  ///< the source's
    bool is_name_fixed = false;
    std::string title;    ///< what the flow will call it
    std::string problem;  ///< why the last try was not taken; or empty
};
std::string confirm(const ConfirmText& text);

/// A source that was just connected. `notes`: what went wrong beside it.
std::string connected(std::string_view name, const client::Flow& flow, std::string_view source_id,
                      const std::vector<std::string>& notes);

/// One list of a source's filter as the form shows it, one entry a line.
std::string filter_lines(const boost::json::object& filter, std::string_view name);

/// The settings of a source, as GET /v1/sources/NAME shows it.
struct SettingsText {
    std::string base;  ///< the URL that the actions are below
    std::string csrf;
    boost::json::object source;
    std::string user;
    std::string note;     ///< what was just done; or empty
    std::string problem;  ///< or what could not be
};
std::string settings(const SettingsText& text);

/// Asks whether a source is to be removed. `plan`: as the daemon answered.
std::string removal(const SettingsText& text, const boost::json::object& plan);

/// What went wrong, sentence by sentence, and what to do then. `again`: the URL where it can be
/// tried again; or empty.
std::string problem(const std::vector<std::string>& sentences, std::string_view again);

/// "can't be reached" as "Can't be reached.": a text of the program as a sentence.
std::string as_sentence(std::string_view text);

}  // namespace flowrelay::pages
