// Builds the API requests for creating a source in a flow, and parses the answers. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::client {

/// Returns whether `flow` is the path of a flow, "ORG/FLOW". Anything else is an id.
bool is_flow_path(std::string_view flow);

/// Returns the path of the sources of the flow "ORG/FLOW", relative to the base URL.
std::string sources_of_path(std::string_view flow);
/// Returns the path of a flow's sources, relative to the base URL, from the answer of GET
/// /flows/find: links.sources, or else the flow's own url + "/sources".
/// Error: the answer has neither, or a URL that is not below the base URL, since the access token
/// is never sent to another server.
Result<std::string> sources_of_answer(std::string_view answer, std::string_view base_url);

/// A flow from the answers of GET /flows/find, GET /flows/:org/:flow and GET /flows. Members that
/// older servers leave out get the value that permits adding sources.
struct Flow {
    std::string id;
    std::string path;  ///< "example/main"; empty: unknown
    std::string name;  ///< safe to print, like all following texts
    std::string organization;
    std::string web_url;
    std::string sources;          ///< path of its sources, relative to the base URL
    std::string sources_problem;  ///< why `sources` is empty: the token is not sent there
    bool joined = true;           ///< the user is a member
    bool disabled = false;
    bool may_add = true;  ///< the user may add sources

    /// Returns "Main (example/main)", or the part of it that is known.
    std::string title() const;
};
Result<Flow> read_flow(std::string_view answer, std::string_view base_url);
Result<std::vector<Flow>> read_flows(std::string_view answer, std::string_view base_url);

/// Returns why no source can be added to a flow, and what to do; empty if one can.
std::string refusal_of(const Flow& flow);

/// The owner of an access token, from the answer of GET /user. All texts are safe to print; empty
/// if unknown.
struct Person {
    std::string id;
    std::string name;
    std::string email;

    /// Returns "Dev User <dev@example.com>", or the part of it that is known.
    std::string title() const;
};
Person read_person(std::string_view answer);

/// A new source, from the answer of POST /flows/:org/:flow/sources. Texts are safe to print.
struct NewSource {
    std::string id;                 ///< empty: the answer has none
    Secret flow_token;              ///< empty: the answer has none
    std::string application;        ///< name of the application that created it
    std::string configuration_uri;  ///< URL of its settings; empty: none
};
/// Parses the answer. Error: it is not an object. A source without an id or a token can't be used,
/// but exists in the flow.
Result<NewSource> read_new_source(std::string_view answer);

/// One source of a flow, from the answer of GET /flows/:org/:flow/sources.
struct ListedSource {
    std::string id;
    std::string name;
};
Result<std::vector<ListedSource>> read_sources(std::string_view answer);

/// Returns the sources called `name` that are in `now` but not in `before`.
std::vector<ListedSource> new_sources(const std::vector<ListedSource>& before,
                                      const std::vector<ListedSource>& now, std::string_view name);

}  // namespace flowrelay::client
