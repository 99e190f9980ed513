#include "flowrelay/client/flow_setup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <utility>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/client/json_members.hpp"
#include "flowrelay/http/request_writer.hpp"

namespace flowrelay::client {

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

/// Returns a URL that is a string, or the member of an object.
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

Result<json::array> read_array(std::string_view text) {
    boost::system::error_code error;
    json::value parsed = json::parse(text, error);
    if (error || !parsed.is_array()) return strange("the API did not answer with a JSON array");
    return std::move(parsed.get_array());
}

/// Returns the id, which is a number or a string, safe to print.
std::string id_of(const json::object& object) {
    const json::value* id = object.if_contains("id");
    if (id != nullptr && id->is_int64()) return fmt::format("{}", id->get_int64());
    return text_of(object, "id");
}

bool is_target(std::string_view path) {
    return path.starts_with('/') &&
           std::ranges::all_of(path, [](char c) { return c > ' ' && c < 0x7F; });
}

/// Finds the entry for the sources in `links`, which is an object by name, or a list.
const json::value* sources_link(const json::object& flow) {
    const json::value* links = flow.if_contains("links");
    if (links == nullptr) return nullptr;
    if (links->is_object()) return links->get_object().if_contains("sources");
    if (!links->is_array()) return nullptr;
    for (const json::value& link : links->get_array()) {
        if (!link.is_object()) continue;
        for (const char* name : {"rel", "name", "resource"}) {
            if (text_of(link.get_object(), name) == "sources") return &link;
        }
    }
    return nullptr;
}

/// Returns whether a link forbids a method. A link without a list of methods allows all.
bool forbids(const json::value* link, std::string_view method) {
    if (link == nullptr || !link->is_object()) return false;
    for (const char* name : {"methods", "allowed_methods", "allow"}) {
        const json::value* methods = link->get_object().if_contains(name);
        if (methods == nullptr) continue;
        std::string list;
        if (methods->is_string()) list = std::string(methods->get_string());
        if (methods->is_array()) {
            for (const json::value& each : methods->get_array()) {
                if (each.is_string()) list += " " + std::string(each.get_string());
            }
        }
        return ascii::lower(list).find(ascii::lower(method)) == list.npos;
    }
    return false;
}

Result<std::string> sources_of(const json::object& flow, std::string_view base_url) {
    std::string url = url_of(sources_link(flow));
    if (url.empty()) {
        url = url_of(flow.if_contains("url"));
        if (url.empty()) return strange("the API did not say where the flow's sources are");
        url += "/sources";
    }
    while (base_url.ends_with('/')) base_url.remove_suffix(1);
    // Accept only URLs below the base URL. Comparing texts may refuse an equivalent URL, but never
    // accepts a different one.
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

/// Returns "ORG/FLOW" from a flow's URL.
std::string path_in_url(std::string_view url) {
    const std::size_t at = url.rfind("/flows/");
    if (at == url.npos) return {};
    const std::string_view path = url.substr(at + 7);
    return is_flow_path(path) ? app::printable(path) : std::string();
}

Flow flow_of(const json::object& object, std::string_view base_url) {
    Flow flow;
    auto sources = sources_of(object, base_url);
    if (sources) {
        flow.sources = std::move(*sources);
    } else {
        flow.sources_problem = app::printable(sources.error().message);
    }
    flow.id = id_of(object);
    flow.name = text_of(object, "name");
    flow.web_url = text_of(object, "web_url");
    std::string organization;
    if (const json::object* of = object_of(object, "organization")) {
        flow.organization = text_of(*of, "name");
        organization = text_of(*of, "parameterized_name");
    }
    const std::string own = text_of(object, "parameterized_name");
    flow.path = organization.empty() || own.empty() ? path_in_url(url_of(object.if_contains("url")))
                                                    : fmt::format("{}/{}", organization, own);
    const auto is = [&](const char* name, bool value) {
        const json::value* member = object.if_contains(name);
        return member != nullptr && member->is_bool() && member->get_bool() == value;
    };
    flow.joined = !is("joined", false);
    flow.disabled = is("disabled", true);
    flow.may_add = !forbids(sources_link(object), "POST");
    return flow;
}

}  // namespace

bool is_flow_path(std::string_view flow) {
    const std::size_t slash = flow.find('/');
    return slash != flow.npos && slash > 0 && slash + 1 < flow.size() &&
           flow.find('/', slash + 1) == flow.npos;
}

std::string sources_of_path(std::string_view flow) {
    const std::size_t slash = flow.find('/');
    return fmt::format("/flows/{}/{}/sources", http::url_encode(flow.substr(0, slash)),
                       http::url_encode(flow.substr(slash + 1)));
}

Result<std::string> sources_of_answer(std::string_view answer, std::string_view base_url) {
    const auto flow = read_object(answer);
    if (!flow) return flow.error();
    return sources_of(*flow, base_url);
}

Result<Flow> read_flow(std::string_view answer, std::string_view base_url) {
    auto flow = read_object(answer);
    if (!flow) return flow.error();
    return flow_of(*flow, base_url);
}

Result<std::vector<Flow>> read_flows(std::string_view answer, std::string_view base_url) {
    const auto list = read_array(answer);
    if (!list) return list.error();
    std::vector<Flow> flows;
    for (const json::value& value : *list) {
        if (!value.is_object()) continue;
        flows.push_back(flow_of(value.get_object(), base_url));
    }
    return flows;
}

std::string Flow::title() const {
    const std::string& known = path.empty() ? id : path;
    return name.empty() || name == known ? known : fmt::format("{} ({})", name, known);
}

std::string refusal_of(const Flow& flow) {
    if (flow.disabled) return fmt::format("the flow {} is disabled: enable it first", flow.title());
    if (!flow.joined) {
        return fmt::format("this user is not in the flow {}: join it{} and try again", flow.title(),
                           flow.web_url.empty() ? "" : " at " + flow.web_url);
    }
    if (!flow.may_add) {
        return fmt::format(
            "this user may not add sources to the flow {}: have an administrator of {} do it, or "
            "allow it",
            flow.title(),
            flow.organization.empty() ? std::string("the organization") : flow.organization);
    }
    return {};
}

Person read_person(std::string_view answer) {
    const auto user = read_object(answer);
    if (!user) return {};
    Person person{id_of(*user), text_of(*user, "name"), text_of(*user, "email")};
    if (person.name.empty()) person.name = text_of(*user, "nick");
    return person;
}

std::string Person::title() const {
    if (email.empty()) return name;
    return name.empty() ? email : fmt::format("{} <{}>", name, email);
}

Result<NewSource> read_new_source(std::string_view answer) {
    const auto object = read_object(answer);
    if (!object) return object.error();
    NewSource source;
    source.id = id_of(*object);
    const json::value* token = object->if_contains("flow_token");
    if (token != nullptr && token->is_string()) {
        source.flow_token = Secret(std::string_view(token->get_string()));
    }
    if (const json::object* application = object_of(*object, "application")) {
        source.application = text_of(*application, "name");
        source.configuration_uri = text_of(*application, "configuration_uri");
    }
    return source;
}

Result<std::vector<ListedSource>> read_sources(std::string_view answer) {
    const auto list = read_array(answer);
    if (!list) return list.error();
    std::vector<ListedSource> sources;
    for (const json::value& value : *list) {
        if (!value.is_object()) continue;
        sources.push_back({id_of(value.get_object()), text_of(value.get_object(), "name")});
    }
    return sources;
}

std::vector<ListedSource> new_sources(const std::vector<ListedSource>& before,
                                      const std::vector<ListedSource>& now, std::string_view name) {
    const std::string printed = app::printable(name);
    std::vector<ListedSource> result;
    for (const ListedSource& source : now) {
        if (source.id.empty() || source.name != printed) continue;
        if (std::ranges::find(before, source.id, &ListedSource::id) != before.end()) continue;
        result.push_back(source);
    }
    return result;
}

}  // namespace flowrelay::client
