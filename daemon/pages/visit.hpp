// What a request asks for: which page, what a set-up or configuration link says, and whom the pages
// are open to. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/client/flow_setup.hpp"

namespace flowrelay::pages {

/// Where a link of the API leads.
struct Visit {
    std::string flow;       ///< ORG/FLOW, or an id; empty: the link does not say
    std::string source_id;  ///< of a configuration link
};

/// Reads the query of a set-up link: `flow`, an id, and `flow_url`. Only URLs below the API's are
/// taken. Error: a sentence for the person.
Result<Visit> read_setup(std::string_view query, std::string_view base_url);

/// Reads the query of a configuration link: `integration_id` or `source` with `flow`, or
/// `source_url`.
Result<Visit> read_configure(std::string_view query, std::string_view base_url);

/// The path below the public URL: "/setup" of "/flowdock/setup". Empty: it is not below it.
std::string_view path_below(std::string_view path, std::string_view public_url);

/// Who needs no invitation.
struct OpenTo {
    std::vector<std::string> organizations;
    std::vector<std::string> users;

    bool anybody() const { return !organizations.empty() || !users.empty(); }
    /// By email address, whatever the case of its letters, or by id.
    bool is_user(const client::Person& person) const;
    /// By the first part of the flow's path.
    bool is_organization_of(const client::Flow& flow) const;
};

/// The lines of a text without blanks around them and without empty ones, each once.
std::vector<std::string> split_lines(std::string_view text);

}  // namespace flowrelay::pages
