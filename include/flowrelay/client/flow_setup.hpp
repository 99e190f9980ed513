// What is asked of the API to make a source in a flow, and how its answers are read. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::client {

/// "ORG/FLOW", the path of a flow; anything else is the id of one.
bool is_flow_path(std::string_view flow);

/// Where the sources of a flow are, as a path behind the base URL.
/// Of "ORG/FLOW":
std::string sources_of_path(std::string_view flow);
/// Of what GET /flows/find has answered: links.sources, or else the flow's own url + "/sources".
/// Error: it is neither there, or somewhere else than the base URL. The access token is never taken
/// to another server.
Result<std::string> sources_of_answer(std::string_view answer, std::string_view base_url);

/// A flow, as GET /flows/find, GET /flows/:org/:flow and each of GET /flows answer. What an answer
/// leaves out, older ones do, is taken to be well.
struct Flow {
    std::string id;
    std::string path;  ///< "example/main"; empty: the answer does not tell
    std::string name;  ///< fit to print, as all that follow
    std::string organization;
    std::string web_url;
    std::string sources;          ///< where its sources are, as a path behind the base URL
    std::string sources_problem;  ///< why `sources` is empty: the access token is not taken there
    bool joined = true;           ///< the user is in it
    bool disabled = false;
    bool may_add = true;  ///< the user may add sources

    /// "Main (example/main)", or what is known of that.
    std::string title() const;
};
Result<Flow> read_flow(std::string_view answer, std::string_view base_url);
Result<std::vector<Flow>> read_flows(std::string_view answer, std::string_view base_url);

/// Why no source can be added to a flow, with what to do; empty if one can.
std::string refusal_of(const Flow& flow);

/// Who the access token belongs to, as GET /user has answered, fit to print; empty: not known.
struct Person {
    std::string id;
    std::string name;
    std::string email;

    /// "Dev User <dev@example.com>", or what is known of that.
    std::string title() const;
};
Person read_person(std::string_view answer);

/// The source as POST /flows/:org/:flow/sources has answered.
struct NewSource {
    std::string id;           ///< fit to print, as all but the token; empty: the answer has none
    Secret flow_token;        ///< empty: the answer has none
    std::string application;  ///< the name of the application in whose name it was made
    std::string configuration_uri;  ///< where its settings are changed; empty: nowhere
};
/// Error: not an object. A source without an id or a token is none that can be used, and is in the
/// flow all the same.
Result<NewSource> read_new_source(std::string_view answer);

/// One of a flow's sources, as GET /flows/:org/:flow/sources has answered.
struct ListedSource {
    std::string id;
    std::string name;
};
Result<std::vector<ListedSource>> read_sources(std::string_view answer);

/// The sources with a name that are in `now` and were not in `before`.
std::vector<ListedSource> new_sources(const std::vector<ListedSource>& before,
                                      const std::vector<ListedSource>& now, std::string_view name);

}  // namespace flowrelay::client
