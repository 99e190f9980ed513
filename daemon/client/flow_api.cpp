#include "flowrelay/client/flow_api.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/http/request_writer.hpp"

namespace flowrelay::client {

namespace json = boost::json;

namespace {

Failure failure_of_status(int status) noexcept {
    if (status == 401 || status == 403) return Failure::not_permitted;
    return status == 429 || status >= 500 ? Failure::try_later : Failure::rejected;
}

/// Formats {"name": ["can't be blank"]} as "name can't be blank".
std::string errors_text(const std::string& errors) {
    boost::system::error_code error;
    const json::value parsed = json::parse(errors, error);
    if (error || !parsed.is_object()) return app::printable(errors);
    std::string text;
    const auto add = [&](std::string_view member, const json::value& what) {
        const std::string words =
            what.is_string() ? std::string(what.get_string()) : json::serialize(what);
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", member, words);
    };
    for (const auto& [member, what] : parsed.get_object()) {
        if (!what.is_array()) {
            add(member, what);
            continue;
        }
        for (const json::value& each : what.get_array()) add(member, each);
    }
    return app::printable(text);
}

std::string refusal_text(const FlowApi::Answer& answer, std::string_view what) {
    std::string text = fmt::format("the API answers HTTP {} {}", answer.status, what);
    if (!answer.message.empty()) text += ": " + app::printable(answer.message);
    if (!answer.errors.empty()) text += ": " + errors_text(answer.errors);
    if (answer.status == 401) text += "; is the access token right, and not expired?";
    if (answer.status == 403) text += "; may its user add and remove sources in this flow?";
    if (answer.status == 404) text += "; is there such a flow, and is its user in it?";
    if (answer.status >= 300 && answer.status < 400) text += "; is destination.base_url right?";
    return text;
}

}  // namespace

FlowApi::FlowApi(const app::Config& config, Say say)
    : base_url_(config.destination.base_url), say_(std::move(say)), api_(config) {}

void FlowApi::fail(Failure failure, std::string_view sentence) {
    failure_ = failure;
    say_(sentence);
}

Result<FlowApi::Answer> FlowApi::try_call(std::string_view method, std::string_view target,
                                          std::string_view body) {
    return api_.call(method, target, access_, body);
}

std::optional<FlowApi::Answer> FlowApi::call(std::string_view method, std::string_view target,
                                             std::string_view body, std::string_view what) {
    auto answer = try_call(method, target, body);
    if (says_why_not(answer, what)) return std::nullopt;
    return std::move(*answer);
}

bool FlowApi::says_why_not(const Result<Answer>& answer, std::string_view what) {
    if (!answer) {
        fail(Failure::try_later, fmt::format("{} does not answer {}: {}", base_url_, what,
                                             app::printable(answer.error().message)));
        return true;
    }
    if (is_success(answer->status)) return false;
    fail(failure_of_status(answer->status), refusal_text(*answer, what));
    return true;
}

Person FlowApi::person() {
    const auto answer = try_call("GET", "/user", {});
    return answer && answer->status == 200 ? read_person(answer->body) : Person();
}

std::optional<std::vector<ListedSource>> FlowApi::sources(const std::string& place) {
    const auto answer = try_call("GET", place, {});
    if (!answer || answer->status != 200) return std::nullopt;
    auto sources = read_sources(answer->body);
    if (!sources) return std::nullopt;
    return std::move(*sources);
}

std::optional<Flow> FlowApi::find_flow(const std::string& wanted) {
    const bool is_path = is_flow_path(wanted);
    std::string target = "/flows/find?id=" + http::url_encode(wanted);
    if (is_path) {
        target = sources_of_path(wanted);
        target.erase(target.rfind('/'));
    }
    const auto answer = call("GET", target, {}, "when asked for the flow");
    if (!answer) return std::nullopt;
    auto flow = read_flow(answer->body, base_url_);
    if (!flow) {
        fail(Failure::rejected, app::printable(flow.error().message));
        return std::nullopt;
    }
    // The path of a flow requested by path is known, so ignore the URL in the answer.
    if (is_path) flow->sources = sources_of_path(wanted);
    return std::move(*flow);
}

std::optional<std::vector<Flow>> FlowApi::flows() {
    const auto answer = call("GET", "/flows", {}, "when asked for the flows");
    if (!answer) return std::nullopt;
    auto flows = read_flows(answer->body, base_url_);
    if (flows && !flows->empty()) return std::move(*flows);
    fail(Failure::rejected,
         flows ? "this user is in no flow: join one first" : app::printable(flows.error().message));
    return std::nullopt;
}

}  // namespace flowrelay::client
