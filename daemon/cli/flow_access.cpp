#include "cli/flow_access.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "cli/complain.hpp"
#include "cli/control_client.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/base/number.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

/// How the command ends when the API does not do what it is asked.
ExitCode exit_code_for_status(int status) noexcept {
    if (status == 401 || status == 403) return ExitCode::not_permitted;
    return status == 429 || status >= 500 ? ExitCode::try_later : ExitCode::rejected;
}

/// {"name": ["can't be blank"]} as "name can't be blank".
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

std::string refusal_text(const app::ApiClient::Answer& answer, std::string_view what) {
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

FlowAccess::FlowAccess(const app::Config& config, LineInput& input, const HeldSignals& signals)
    : base_url_(config.destination.base_url), input_(input), signals_(signals), api_(config) {}

Result<FlowAccess::Answer> FlowAccess::try_call(std::string_view method, std::string_view target,
                                                std::string_view body) {
    return api_.call(method, target, access_, body);
}

std::optional<FlowAccess::Answer> FlowAccess::call(std::string_view method, std::string_view target,
                                                   std::string_view body, std::string_view what) {
    auto answer = try_call(method, target, body);
    if (says_why_not(answer, what)) return std::nullopt;
    return std::move(*answer);
}

bool FlowAccess::says_why_not(const Result<Answer>& answer, std::string_view what) {
    if (!answer) {
        complain(fmt::format("{} does not answer {}: {}", base_url_, what,
                             app::printable(answer.error().message)));
        exit_code_ = ExitCode::try_later;
        return true;
    }
    if (is_success(answer->status)) return false;
    complain(refusal_text(*answer, what));
    exit_code_ = exit_code_for_status(answer->status);
    return true;
}

/// Servers that do not say who it is, or not without the scope `profile`, are no obstacle.
std::string FlowAccess::user() {
    const auto answer = try_call("GET", "/user", {});
    return answer && answer->status == 200 ? read_user(answer->body) : std::string();
}

std::optional<std::vector<ListedSource>> FlowAccess::sources(const std::string& place) {
    const auto answer = try_call("GET", place, {});
    if (!answer || answer->status != 200) return std::nullopt;
    auto sources = read_sources(answer->body);
    if (!sources) return std::nullopt;
    return std::move(*sources);
}

std::optional<Flow> FlowAccess::find_flow(const std::string& wanted) {
    if (wanted.empty()) return choose_flow();
    const bool is_path = is_flow_path(wanted);
    std::string target = "/flows/find?id=" + url_encode(wanted);
    if (is_path) {
        target = sources_of_path(wanted);
        target.erase(target.rfind('/'));
    }
    const auto answer = call("GET", target, {}, "when asked for the flow");
    if (!answer) return std::nullopt;
    auto flow = read_flow(answer->body, base_url_);
    if (!flow) {
        complain(app::printable(flow.error().message));
        exit_code_ = ExitCode::rejected;
        return std::nullopt;
    }
    // What was asked for by its path is below the base URL whatever the answer says.
    if (is_path) flow->sources = sources_of_path(wanted);
    return std::move(*flow);
}

std::optional<Flow> FlowAccess::choose_flow() {
    const auto answer = call("GET", "/flows", {}, "when asked for the flows");
    if (!answer) return std::nullopt;
    auto flows = read_flows(answer->body, base_url_);
    exit_code_ = ExitCode::rejected;
    if (!flows || flows->empty()) {
        complain(flows ? "this user is in no flow: join one first"
                       : app::printable(flows.error().message));
        return std::nullopt;
    }
    std::string list = "Flows:\n";
    for (std::size_t i = 0; i < flows->size(); ++i) {
        const Flow& flow = (*flows)[i];
        const char* const state = flow.disabled  ? "  (disabled)"
                                  : !flow.joined ? "  (not joined)"
                                                 : "";
        list += fmt::format("  {:>3}  {}{}{}\n", i + 1, flow.title(),
                            flow.organization.empty() ? "" : ", " + flow.organization, state);
    }
    note(list);
    while (true) {
        note(fmt::format("Which one? 1 to {}, then Enter:", flows->size()));
        const auto line = input_.wait_for_line(signals_.descriptor());
        if (!line) {
            complain("no flow was chosen; nothing was changed");
            return std::nullopt;
        }
        const auto number = parse_number<std::uint64_t>(ascii::trim(*line, " \t\r"));
        if (number && *number >= 1 && *number <= flows->size()) {
            return std::move((*flows)[*number - 1]);
        }
    }
}

}  // namespace flowrelay::cli
