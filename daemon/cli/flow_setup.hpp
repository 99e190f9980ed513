// What is asked of the API to make a source in a flow, and how its answers are read. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::cli {

/// "ORG/FLOW", the path of a flow; anything else is the id of one.
bool is_flow_path(std::string_view flow);

/// Where the sources of a flow are, as a path behind the base URL.
/// Of "ORG/FLOW":
std::string sources_of_path(std::string_view flow);
/// Of what GET /flows/find has answered: links.sources, or else the flow's own url + "/sources".
/// Error: it is neither there, or somewhere else than the base URL. The access token is never taken
/// to another server.
Result<std::string> sources_of_answer(std::string_view answer, std::string_view base_url);

/// The source as POST /flows/:org/:flow/sources has answered.
struct NewSource {
    std::string id;
    Secret flow_token;
};
Result<NewSource> read_new_source(std::string_view answer);

}  // namespace flowrelay::cli
