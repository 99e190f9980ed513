#include "flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <vector>

#include "api.hpp"
#include "flowrelay/base/number.hpp"

namespace flowrelay::devserver {

namespace json = boost::json;

namespace {

constexpr std::string_view organization = "example";

struct FlowKind {
    std::string_view path;  ///< also its parameterized_name
    std::string_view name;
    bool joined = true;
    bool disabled = false;
    bool may_add = true;
};

constexpr std::array<FlowKind, 6> kinds{{{"main", "Main"},
                                         {"builds", "Builds"},
                                         {"closed", "Closed circle", false},
                                         {"old", "Old flow", true, true},
                                         {"readonly", "Read only", true, false, false},
                                         {"empty", "<b>Emp\xC3\xA9ty</b>"}}};

http::Response error(int status, std::string_view message) {
    http::Response response;
    response.status = status;
    response.body = error_body(message);
    return response;
}

http::Response shown(int status, const json::value& value) {
    http::Response response;
    response.status = status;
    response.body = json::serialize(value);
    return response;
}

http::Response only_methods(std::string methods) {
    http::Response response = error(405, "only " + methods + " here");
    response.fields.emplace_back("Allow", std::move(methods));
    return response;
}

std::vector<std::string_view> parts_of(std::string_view path) {
    std::vector<std::string_view> parts;
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::size_t end = std::min(path.find('/'), path.size());
        parts.push_back(path.substr(0, end));
        path.remove_prefix(end);
    }
    return parts;
}

std::string id_of(const FlowKind& flow) {
    return fmt::format("{}:{}", organization, flow.path);
}

const FlowKind* find_flow(std::string_view path) {
    const auto* const found = std::ranges::find(kinds, path, &FlowKind::path);
    return found == kinds.end() ? nullptr : found;
}

json::object show_flow(const FlowKind& flow, const std::string& base) {
    const std::string url = fmt::format("{}/flows/{}/{}", base, organization, flow.path);
    json::array methods{"GET"};
    if (flow.may_add) methods.push_back("POST");
    return {{"id", id_of(flow)},
            {"name", flow.name},
            {"parameterized_name", flow.path},
            {"organization",
             json::object{{"id", 1}, {"name", "Example"}, {"parameterized_name", organization}}},
            {"url", url},
            {"web_url", fmt::format("{}/app/{}/{}", base, organization, flow.path)},
            {"joined", flow.joined},
            {"disabled", flow.disabled},
            {"links", json::object{{"sources", json::object{{"url", url + "/sources"},
                                                            {"methods", std::move(methods)}}}}}};
}

}  // namespace

/// A request whose access token is valid.
struct Flows::Call {
    const http::Request& request;
    const Scopes& scopes;
    std::string base;  ///< the URL of this server, as the client knows it

    bool get() const { return request.method == "GET"; }
    /// Returns an error if the access token lacks a scope.
    std::optional<http::Response> lacks(std::string_view scope) const {
        if (scopes.contains(scope)) return std::nullopt;
        return error(403, fmt::format("the access token lacks the scope {}", scope));
    }
};

Flows::Flows(const Options& options, const OAuth& oauth)
    : scheme_(options.tls_cert.empty() ? "http" : "https"),
      oauth_(oauth),
      random_(Random::from_system()) {}

http::Response Flows::answer(const http::RequestReader& reader) {
    const http::Request& request = reader.request();
    if (!is_path(request.path)) return find_source(request);
    const Scopes* scopes = oauth_.scopes_of(reader.field("Authorization"));
    if (scopes == nullptr) {
        http::Response response =
            error(401, "a valid access token is needed (Authorization: Bearer ...)");
        response.fields.emplace_back("WWW-Authenticate", "Bearer error=\"invalid_token\"");
        return response;
    }
    return of_path({request, *scopes, fmt::format("{}://{}", scheme_, reader.field("Host"))});
}

/// Shows the source of a flow_token. The flow_token is the only authorization needed.
http::Response Flows::find_source(const http::Request& request) const {
    const std::string token = http::query_parameter(request.query, "flow_token");
    if (is_removed(token)) return error(410, "this source was removed");
    for (const auto& [id, source] : sources_) {
        if (source.flow_token == token) return shown(200, show(id, source));
    }
    return error(404, "no source has this flow_token");
}

http::Response Flows::of_path(const Call& call) {
    if (call.request.path == "/user") {
        if (!call.get()) return only_methods("GET");
        if (auto refused = call.lacks("profile")) return *refused;
        return shown(
            200,
            json::object{
                {"id", 7}, {"nick", "dev"}, {"name", "Dev User"}, {"email", "dev@example.com"}});
    }
    const auto parts = parts_of(call.request.path);
    if (parts.size() < 3) {
        if (!call.get()) return only_methods("GET");
        return call.lacks("flow").value_or(list_flows(call));
    }
    const FlowKind* flow = parts[1] == organization ? find_flow(parts[2]) : nullptr;
    if (flow == nullptr) return error(404, "there is no such flow");
    if (parts.size() == 3) {
        if (!call.get()) return only_methods("GET");
        return call.lacks("flow").value_or(shown(200, show_flow(*flow, call.base)));
    }
    if (parts[3] != "sources" || parts.size() > 5) return error(404, "not found");
    if (!flow->joined || flow->disabled || (!flow->may_add && !call.get())) {
        return error(403, "this user may not do that in this flow");
    }
    return of_sources(call, std::string(flow->path));
}

http::Response Flows::list_flows(const Call& call) const {
    if (call.request.path == "/flows/find") {
        const std::string id = http::query_parameter(call.request.query, "id");
        const auto* const flow = std::ranges::find(kinds, id, id_of);
        if (flow == kinds.end()) return error(404, "no flow has this id");
        return shown(200, show_flow(*flow, call.base));
    }
    if (call.request.path != "/flows") return error(404, "not found");
    json::array list;
    for (const FlowKind& flow : kinds) list.push_back(show_flow(flow, call.base));
    return shown(200, std::move(list));
}

http::Response Flows::of_sources(const Call& call, const std::string& flow) {
    if (auto refused = call.lacks(call.get() ? "flow" : "integration")) return *refused;
    const auto parts = parts_of(call.request.path);
    if (parts.size() == 4) {
        if (call.request.method == "POST") return add(call, flow);
        if (!call.get()) return only_methods("GET, POST");
        json::array list;
        for (const auto& [id, source] : sources_) {
            if (source.flow == flow) list.push_back(show(id, source));
        }
        return shown(200, std::move(list));
    }
    const auto id = parse_number<std::uint64_t>(parts[4]);
    const auto found = id ? sources_.find(*id) : sources_.end();
    if (found == sources_.end() || found->second.flow != flow) {
        return error(404, "no source of this flow has this id");
    }
    if (call.get()) return shown(200, show(found->first, found->second));
    return call.request.method == "DELETE" ? remove(found->first) : only_methods("GET, DELETE");
}

json::object Flows::show(std::uint64_t id, const Source& source) const {
    return {
        {"id", id},
        {"name", source.name},
        {"external_url", source.external_url},
        {"application", json::object{{"id", "4"},
                                     {"name", "devserver"},
                                     {"configuration_uri", "http://www.example.com/configure"}}}};
}

http::Response Flows::add(const Call& call, const std::string& flow) {
    boost::system::error_code ec;
    const json::value wanted =
        json::parse({call.request.body.data(), call.request.body.size()}, ec);
    if (call.request.content_type != "application/json" || ec || !wanted.is_object()) {
        return error(400,
                     "the body is not a JSON object, or its Content-Type not application/json");
    }
    const std::string_view name = string_member(wanted.get_object(), "name");
    if (name.empty()) {
        http::Response response;
        response.status = 422;
        response.body = validation_error({{"name", json::array{"can't be blank"}}});
        return response;
    }
    const std::string token = fmt::format("{:016x}{:016x}", random_.next(), random_.next());
    const Source& source = sources_[++last_id_] = {
        flow, std::string(name), std::string(string_member(wanted.get_object(), "external_url")),
        token};
    json::object answer = show(last_id_, source);
    answer["flow_token"] = token;  // only this answer contains it
    return shown(201, std::move(answer));
}

http::Response Flows::remove(std::uint64_t id) {
    const auto found = sources_.find(id);
    removed_.insert(std::move(found->second.flow_token));
    sources_.erase(found);
    http::Response response;
    response.status = 204;
    return response;
}

}  // namespace flowrelay::devserver
