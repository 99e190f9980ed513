#include "flows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <vector>

#include "api.hpp"

namespace flowrelay::devserver {

namespace json = boost::json;

namespace {

http::Response error(int status, std::string_view message) {
    http::Response response;
    response.status = status;
    response.body = error_body(message);
    return response;
}

http::Response made(int status, const json::object& object) {
    http::Response response;
    response.status = status;
    response.body = json::serialize(object);
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

}  // namespace

http::Response Flows::answer(const http::Request& request, std::string_view authorization) {
    if (!authorization.starts_with("Bearer ") || authorization.size() == 7) {
        return error(401, "an access token is needed (Authorization: Bearer ...)");
    }
    if (request.path == "/flows/find") {
        return request.method == "GET" ? find(request) : error(405, "only GET is allowed here");
    }
    const auto parts = parts_of(request.path);
    if (parts.size() < 4 || parts.size() > 5 || parts[3] != "sources") {
        return error(404, "not found: there are /flows/find and /flows/:org/:flow/sources");
    }
    if (parts.size() == 5) {
        return request.method == "DELETE" ? remove(parts[4])
                                          : error(405, "only DELETE is allowed here");
    }
    return request.method == "POST" ? add(request) : error(405, "only POST is allowed here");
}

http::Response Flows::find(const http::Request& request) const {
    const std::string id = http::query_parameter(request.query, "id");
    if (id.empty()) return error(404, "no flow has this id");
    // Below whatever base URL the client knows.
    const std::string url = fmt::format("/flows/example/{}", id);
    return made(200,
                {{"id", id},
                 {"name", id},
                 {"url", url},
                 {"links", json::object{{"sources", json::object{{"url", url + "/sources"}}}}}});
}

http::Response Flows::add(const http::Request& request) {
    boost::system::error_code ec;
    const json::value wanted = json::parse(request.body, ec);
    const std::string_view name =
        !ec && wanted.is_object() ? string_member(wanted.get_object(), "name") : "";
    if (name.empty()) {
        json::object errors{{"name", json::array{"can't be blank"}}};
        http::Response response;
        response.status = 400;
        response.body = validation_error(std::move(errors));
        return response;
    }
    const std::string token = fmt::format("{:016x}{:016x}", random_.next(), random_.next());
    tokens_[++last_id_] = token;
    return made(201, {{"id", last_id_},
                      {"name", name},
                      {"flow_token", token},
                      {"application", json::object{{"id", "4"}, {"name", "devserver"}}}});
}

http::Response Flows::remove(std::string_view id) {
    std::uint64_t number = 0;
    std::from_chars(id.data(), id.data() + id.size(), number);
    const auto found = tokens_.find(number);
    if (found == tokens_.end()) return error(404, "no source has this id");
    removed_.insert(std::move(found->second));
    tokens_.erase(found);
    http::Response response;
    response.status = 204;
    return response;
}

}  // namespace flowrelay::devserver
