// Answers requests under /_dev/, with which tests control and query the server.
#include <fmt/format.h>

#include <limits>
#include <numeric>
#include <optional>

#include "api.hpp"
#include "flowrelay/base/number.hpp"
#include "service.hpp"

namespace flowrelay::devserver {

namespace {

http::Response answer(int status, std::string body) {
    http::Response response;
    response.status = status;
    response.body = std::move(body);
    return response;
}

http::Response not_allowed(std::string methods) {
    http::Response response = answer(405, error_body("only " + methods + " here"));
    response.fields.emplace_back("Allow", std::move(methods));
    return response;
}

/// Returns a number in the query; `otherwise` if it is absent, nothing if it is not a number.
std::optional<std::uint64_t> number(std::string_view query, std::string_view name,
                                    std::uint64_t otherwise) {
    const std::string text = http::query_parameter(query, name);
    return text.empty() ? otherwise : parse_number<std::uint64_t>(text);
}

}  // namespace

void Service::control(const http::Request& request, std::string& out) {
    send(request, control_answer(request), out);
}

void Service::send(const http::Request& request, http::Response response, std::string& out) {
    response.keep_alive = request.keep_alive;
    response.head_only = request.method == "HEAD";
    response.minor_version = request.minor_version;
    http::append_response(out, response);
}

http::Response Service::control_answer(const http::Request& request) {
    const bool get = request.method == "GET" || request.method == "HEAD";
    if (request.path == "/_dev/received") {
        if (request.method == "DELETE") {
            inbox_.clear();
            return answer(204, "");
        }
        if (!get) return not_allowed("GET, DELETE");
        const auto since = number(request.query, "since", 0);
        const auto limit = number(request.query, "limit", std::numeric_limits<std::size_t>::max());
        if (!since || !limit) return answer(400, error_body("since and limit must be numbers"));
        std::string list;
        inbox_.append_json_array(list, *since, *limit);
        return answer(200, std::move(list));
    }
    if (request.path == "/_dev/sources") {
        return get ? answer(200, sources_.to_json()) : not_allowed("GET");
    }
    if (request.path == "/_dev/access-tokens") {
        if (request.method != "POST") return not_allowed("POST");
        return oauth_.make_access_token(request.body);
    }
    if (request.path == "/_dev/stats") return get ? answer(200, stats()) : not_allowed("GET");
    if (request.path == "/_dev/rules") {
        if (get) return answer(200, rules_.to_json());
        if (request.method != "PUT") return not_allowed("GET, PUT");
        const Result<void> replaced = rules_.replace(request.body);
        if (replaced.has_error()) return answer(400, error_body(replaced.error().message));
        return answer(204, "");
    }
    return answer(
        404, error_body("there are /_dev/access-tokens, /_dev/received, /_dev/rules, /_dev/sources "
                        "and /_dev/stats"));
}

std::string Service::stats() const {
    std::string by_status;
    for (std::size_t status = 0; status < by_status_.size(); ++status) {
        if (by_status_[status] == 0) continue;
        if (!by_status.empty()) by_status += ',';
        by_status += fmt::format(R"("{}":{})", status, by_status_[status]);
    }
    return fmt::format(
        R"({{"requests":{},"by_status":{{{}}},"connections":{},"open_connections":{}}})",
        std::accumulate(by_status_.begin(), by_status_.end(), std::uint64_t{0}), by_status,
        connections_, open_connections_);
}

}  // namespace flowrelay::devserver
