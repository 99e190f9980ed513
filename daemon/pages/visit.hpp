// Reads set-up and configuration links, and decides who needs no invitation. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/client/flow_setup.hpp"

namespace flowrelay::pages {

/// The target of a link of the API.
struct Visit {
    std::string flow;       ///< ORG/FLOW, or an id; empty: not in the link
    std::string source_id;  ///< for a configuration link
};

/// Parses the query of a set-up link: `flow`, an id, and `flow_url`. Accepts only URLs below the
/// API's. Error: a sentence for the user.
Result<Visit> read_setup(std::string_view query, std::string_view base_url);

/// Parses the query of a configuration link: `integration_id` or `source` with `flow`, or
/// `source_url`. Error: a sentence for the user.
Result<Visit> read_configure(std::string_view query, std::string_view base_url);

/// Returns the path below the public URL: "/setup" for "/flowdock/setup"; empty if it is not below.
std::string_view path_below(std::string_view path, std::string_view public_url);

/// The users and organizations that need no invitation.
struct OpenTo {
    std::vector<std::string> organizations;
    std::vector<std::string> users;

    bool anybody() const { return !organizations.empty() || !users.empty(); }
    /// Compares the email address, ignoring case, or the id.
    bool is_user(const client::Person& person) const;
    /// Compares the first part of the flow's path.
    bool is_organization_of(const client::Flow& flow) const;
};

/// Splits a text into lines, trims them, and removes empty lines and repetitions.
std::vector<std::string> split_lines(std::string_view text);

}  // namespace flowrelay::pages
