// Routes the requests of the control socket and checks permissions.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <utility>

#include "control_call.hpp"
#include "control_routes.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/json.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace json = boost::json;
namespace ev = core::log_events;

namespace {

struct Route {
    std::string_view method;
    std::string_view path;  ///< "*" stands for one name
    ControlAnswer (*answer)(ControlCall& call);
    std::string_view change = {};  ///< name in the log; empty: it changes nothing
    Plans plans = Plans::no;
    bool searches = false;  ///< may search through all that is stored
};

constexpr std::array routes{
    Route{"GET", "/v1/status", get_status},
    Route{"GET", "/v1/metrics", get_metrics},
    Route{"POST", "/v1/reload", reload_config, "config.reload", Plans::yes},
    Route{"GET", "/v1/queue", get_queue, {}, Plans::no, true},
    Route{"GET", "/v1/queue/*", get_event, {}, Plans::no, true},
    Route{"POST", "/v1/queue/retry", retry_events, "queue.retry", Plans::yes, true},
    Route{"POST", "/v1/queue/drop", drop_events, "queue.drop", Plans::yes, true},
    Route{"GET", "/v1/explain", get_explanation, {}, Plans::no, true},
    Route{"GET", "/v1/sources", get_sources},
    Route{"GET", "/v1/sources/*", get_source},
    Route{"POST", "/v1/sources", add_source, "source.add", Plans::yes},
    Route{"POST", "/v1/sources/*/check", check_source, "source.check"},
    Route{"POST", "/v1/sources/*/pause", pause_source, "source.pause"},
    Route{"POST", "/v1/sources/*/resume", resume_source, "source.resume"},
    Route{"POST", "/v1/sources/*/enable", enable_source, "source.enable"},
    Route{"POST", "/v1/sources/*/rotate", rotate_source, "source.rotate"},
    Route{"POST", "/v1/sources/*/filter", filter_source, "source.filter"},
    Route{"POST", "/v1/sources/*/remove", remove_source, "source.remove", Plans::yes, true},
    Route{"POST", "/v1/spool/freeze", freeze_spool, "spool.freeze"},
    Route{"POST", "/v1/spool/thaw", thaw_spool, "spool.thaw"},
    Route{"POST", "/v1/spool/adopt", adopt_spool, "spool.adopt"},
    Route{"POST", "/v1/spool/book-lost", book_lost, "spool.book-lost", Plans::yes},
    Route{"GET", "/v1/dead", get_dead, {}, Plans::no, true},
    Route{"GET", "/v1/dead/*", get_dead_letter, {}, Plans::no, true},
    Route{"POST", "/v1/dead/replay", replay_dead, "dead.replay", Plans::yes, true},
    Route{"POST", "/v1/dead/drop", drop_dead, "dead.drop", Plans::yes, true},
};

/// Decodes percent-encoding; unlike in a query, "+" stands for itself.
std::string decode(std::string_view segment) {
    std::string query = "x=";
    for (const char c : segment) {
        if (c == '+') {
            query += "%2B";
        } else if (c == '&') {
            query += "%26";
        } else {
            query += c;
        }
    }
    return http::query_parameter(query, "x");
}

/// Returns whether a path matches a pattern, and sets `name` to the part at its "*".
bool fits(std::string_view pattern, std::string_view path, std::string_view& name) {
    const std::size_t star = pattern.find('*');
    if (star == pattern.npos) return pattern == path;
    const std::string_view before = pattern.substr(0, star);
    const std::string_view behind = pattern.substr(star + 1);
    if (!path.starts_with(before) || !path.ends_with(behind)) return false;
    if (path.size() <= before.size() + behind.size()) return false;
    name = path.substr(before.size(), path.size() - before.size() - behind.size());
    return name.find('/') == name.npos;
}

bool is_method(const Route& route, std::string_view method) {
    return route.method == method || (route.method == "GET" && method == "HEAD");
}

const Route* find_route(const http::Request& request, std::string_view& name, std::string& allow) {
    for (const Route& route : routes) {
        std::string_view found;
        if (!fits(route.path, request.path, found)) continue;
        if (is_method(route, request.method)) {
            name = found;
            return &route;
        }
        if (allow.find(route.method) == allow.npos) {
            allow += allow.empty() ? "" : ", ";
            allow += route.method;
        }
    }
    return nullptr;
}

http::Response no_such_route(const std::string& allow) {
    if (allow.empty()) {
        return control_error(404, "not_found",
                             "there is no such resource; docs/protocol.md names them all");
    }
    http::Response response =
        control_error(405, "wrong_method", "this resource does not know the method: use " + allow);
    response.fields.emplace_back("Allow", allow);
    return response;
}

/// Parses a body as an object; an empty body is an empty object.
std::optional<json::object> read_body(std::string_view text) {
    if (text.find_first_not_of(" \t\r\n") == text.npos) return json::object();
    boost::system::error_code error;
    json::value value = json::parse(text, error);
    if (error || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

/// Returns whether everything that a request names is UTF-8. Answers repeat it, and must be UTF-8.
bool is_utf8(const http::Request& request, std::string_view name) {
    for (const std::string& text : {decode(name), decode(request.query)}) {
        // A JSON text is UTF-8; quotes and the like do not matter.
        if (std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; })) {
            continue;
        }
        boost::system::error_code error;
        std::string quoted = "\"";
        for (const char c : text) quoted += static_cast<signed char>(c) < 0 ? c : '.';
        json::parse(quoted + '"', error);
        if (error) return false;
    }
    return true;
}

/// Returns whether the body asks for the plan of a change. Nothing: `plan` is neither true nor
/// false, or occurs twice, so that two parsers could disagree.
std::optional<bool> asks_for_plan(std::string_view text, const json::object& body) {
    const json::value* plan = body.if_contains("plan");
    if (plan == nullptr) return false;
    if (!plan->is_bool() || core::json::check(text)) return std::nullopt;
    int plans = 0;
    for (core::json::MemberReader in(core::json::trim(text)); in.next();) {
        if (in.member().name == "plan") ++plans;
    }
    return plans == 1 ? std::optional(plan->get_bool()) : std::nullopt;
}

/// Returns the target of a change, also if it was refused before the target was looked up.
std::string target_of(const ControlCall& call) {
    const auto& tokens = call.relay().tokens();
    if (!call.target.empty()) return tokens.shown_name(call.target);
    if (!call.name.empty()) return tokens.shown_name(call.name);
    std::string target = tokens.shown_name(call.text("source"));
    const std::string thread = call.text("thread");
    if (!thread.empty()) target += (target.empty() ? "thread " : ", thread ") + thread;
    return target;
}

/// Returns the outcome for the log; after a failure, the answer.
std::string result_of(const ControlCall& call, const http::Response& response) {
    if (!call.result.empty() || is_success(response.status)) return call.result;
    boost::system::error_code error;
    const json::value answer = json::parse(response.body, error);
    const json::value* message =
        answer.is_object() ? answer.get_object().if_contains("message") : nullptr;
    return message != nullptr && message->is_string() ? std::string(message->get_string()) : "";
}

}  // namespace

std::vector<ControlRoute> control_routes() {
    std::vector<ControlRoute> all;
    for (const Route& route : routes) {
        all.push_back({route.method, route.path, route.change, route.plans});
    }
    return all;
}

bool may_change(const Peer& peer, const ControlContext& context) {
    if (peer.uid == 0 || peer.uid == ::geteuid()) return true;
    return context.admin_group && peer.is_in(*context.admin_group);
}

asio::awaitable<http::Response> answer_control(const http::RequestReader& reader, Engine& engine,
                                               const ControlContext& context, const Peer& peer,
                                               const Wanted& wanted) {
    const http::Request& request = reader.request();
    std::string_view name;
    std::string allow;
    const Route* route = find_route(request, name, allow);
    if (route == nullptr) co_return no_such_route(allow);
    auto body = read_body(request.method == "POST" ? request.body : std::string_view());
    if (!body) co_return control_error(400, "invalid", "the body has to be one JSON object");
    if (!is_utf8(request, name)) {
        co_return control_error(400, "invalid", "what the request names is not UTF-8");
    }

    ControlCall call{reader,       engine,           context, wanted, peer,
                     decode(name), std::move(*body), false,   {},     {}};
    // Unless the request is known to be a plan, it is a change and needs permission.
    const auto plan = asks_for_plan(request.body, call.body);
    call.plan = plan == true && route->plans == Plans::yes;
    const bool changes = !route->change.empty() && !call.plan;
    if (changes && !may_change(peer, context)) {
        context.log->write(ev::control_refused,
                           {{"action", route->change}, {"uid", peer.uid}, {"pid", peer.pid}});
        co_return control_error(403, "not_permitted",
                                "only root, the daemon's own user and the members of "
                                "control.admin_group may change something");
    }
    if (changes && plan != false) {
        co_return control_error(400, "invalid",
                                route->plans == Plans::yes
                                    ? "\"plan\" has to be true or false, and be there once"
                                    : "this change has no plan: leave \"plan\" out to make it");
    }
    std::optional<operations::Search> search;
    if (route->searches && !changes) {  // users who can make changes do not wait for readers
        auto place = co_await operations::wait_for_search(engine, peer.uid, wanted);
        if (!place) co_return control_error(operations::abandoned());
        search.emplace(std::move(*place));
    }
    http::Response response = co_await route->answer(call);
    if (changes) {
        const bool done = is_success(response.status);
        context.log->write(done ? ev::control_changed : ev::control_failed,
                           {{"action", route->change},
                            {"target", target_of(call)},
                            {"result", result_of(call, response)},
                            {"status", response.status},
                            {"uid", peer.uid},
                            {"pid", peer.pid}});
    }
    co_return response;
}

}  // namespace flowrelay::runtime
