// The texts of the pages, as HTML for page(). Pure; any thread.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/client/flow_setup.hpp"

namespace flowrelay::pages {

/// The first page of a visit. `name` is the source of the invitation, or empty.
struct StartText {
    std::string server;  ///< name of the OAuth server, for users
    std::string name;
    std::string authorize;  ///< the URL that starts the authorization
};
std::string start_connect(const StartText& text);
std::string start_configure(const StartText& text);

/// The confirmation. It shows a single flow, and lets the user choose from several.
struct ConfirmText {
    std::string action;
    std::string csrf;
    std::vector<client::Flow> flows;
    std::size_t chosen = 0;
    std::string user;
    std::string name;  ///< the source's
    bool is_name_fixed = false;
    std::string title;    ///< its name in the flow
    std::string problem;  ///< why the last attempt failed; or empty
};
std::string confirm(const ConfirmText& text);

/// Returns the page for a source that was just connected. `notes` are lesser failures.
std::string connected(std::string_view name, const client::Flow& flow, std::string_view source_id,
                      const std::vector<std::string>& notes);

/// Returns one list of a filter as the form shows it, one entry per line.
std::string filter_lines(const boost::json::object& filter, std::string_view name);

/// The settings of a source. `source` is the answer of GET /v1/sources/NAME.
struct SettingsText {
    std::string base;  ///< the actions are below this URL
    std::string csrf;
    boost::json::object source;
    std::string user;
    std::string note;     ///< result of the last change; or empty
    std::string problem;  ///< why the last change failed; or empty
};
std::string settings(const SettingsText& text);

/// Asks whether to remove a source. `plan` is the daemon's answer.
std::string removal(const SettingsText& text, const boost::json::object& plan);

/// Shows what went wrong and what to do, one sentence each. `again` is the URL for another attempt,
/// or empty.
std::string problem(const std::vector<std::string>& sentences, std::string_view again);

/// Turns a text of the program into a sentence: "can't be reached" becomes "Can't be reached.".
std::string as_sentence(std::string_view text);

}  // namespace flowrelay::pages
