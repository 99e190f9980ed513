#include "cli/flow_setup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "cli/control_client.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

Error strange(std::string message) {
    return {make_error_code(boost::system::errc::protocol_error), std::move(message)};
}

Result<json::object> read_object(std::string_view text) {
    boost::system::error_code error;
    json::value parsed = json::parse(text, error);
    if (error || !parsed.is_object()) return strange("the API did not answer with a JSON object");
    return std::move(parsed.get_object());
}

/// A URL, written as a string or as an object with it.
std::string url_of(const json::value* value) {
    if (value == nullptr) return {};
    if (value->is_string()) return std::string(value->get_string());
    if (!value->is_object()) return {};
    for (const char* name : {"url", "href"}) {
        const json::value* url = value->get_object().if_contains(name);
        if (url != nullptr && url->is_string()) return std::string(url->get_string());
    }
    return {};
}

bool is_target(std::string_view path) {
    return path.starts_with('/') &&
           std::ranges::all_of(path, [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace

bool is_flow_path(std::string_view flow) {
    const std::size_t slash = flow.find('/');
    return slash != flow.npos && slash > 0 && slash + 1 < flow.size() &&
           flow.find('/', slash + 1) == flow.npos;
}

std::string sources_of_path(std::string_view flow) {
    const std::size_t slash = flow.find('/');
    return fmt::format("/flows/{}/{}/sources", url_encode(flow.substr(0, slash)),
                       url_encode(flow.substr(slash + 1)));
}

Result<std::string> sources_of_answer(std::string_view answer, std::string_view base_url) {
    const auto flow = read_object(answer);
    if (!flow) return flow.error();
    std::string url;
    if (const json::value* links = flow->if_contains("links"); links && links->is_object()) {
        url = url_of(links->get_object().if_contains("sources"));
    }
    if (url.empty()) {
        url = url_of(flow->if_contains("url"));
        if (url.empty()) return strange("the API did not say where the flow's sources are");
        url += "/sources";
    }
    while (base_url.ends_with('/')) base_url.remove_suffix(1);
    // Only below the base URL: the comparison of two URLs by their texts may refuse too much, and
    // never too little.
    std::string_view path = url;
    if (path.starts_with(base_url)) path.remove_prefix(base_url.size());
    if (!is_target(path)) {
        return strange(
            fmt::format("the API says that the flow's sources are at {:.200}, which is "
                        "not below {}: the access token is not sent there; give the "
                        "flow as ORG/FLOW",
                        url, base_url));
    }
    return std::string(path);
}

Result<NewSource> read_new_source(std::string_view answer) {
    const auto object = read_object(answer);
    if (!object) return object.error();
    NewSource source;
    const json::value* id = object->if_contains("id");
    if (id != nullptr && id->is_int64()) source.id = fmt::format("{}", id->get_int64());
    if (id != nullptr && id->is_string()) source.id = std::string(id->get_string());
    const json::value* token = object->if_contains("flow_token");
    if (token == nullptr || !token->is_string() || token->get_string().empty()) {
        return strange("the API made the source, but gave no flow_token for it");
    }
    source.flow_token = Secret(std::string_view(token->get_string()));
    return source;
}

}  // namespace flowrelay::cli
