#include "cli/connecting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "app/secret_file.hpp"
#include "cli/control_client.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/base/number.hpp"
#include "flowrelay/base/utf8.hpp"

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
    if (answer.status == 403) text += "; may its user add sources to this flow?";
    if (answer.status == 404) text += "; is there such a flow, and is its user in it?";
    if (answer.status >= 300 && answer.status < 400) text += "; is destination.base_url right?";
    return text;
}

std::string labelled(std::string_view name, std::string_view value) {
    return value.empty() ? std::string() : fmt::format("  {:<13} {}\n", name, value);
}

/// Whether an answer leaves open if a source was made.
bool leaves_open(const app::ApiClient::Answer& answer) {
    return is_success(answer.status) || answer.status >= 500;
}

}  // namespace

Connecting::Connecting(const Context& context, const ConnectOptions& options,
                       const app::Config& config, LineInput& input, const HeldSignals& signals)
    : context_(context),
      options_(options),
      config_(config),
      input_(input),
      signals_(signals),
      api_(config) {}

bool Connecting::can_begin() {
    Operator daemon(context_);
    if (daemon.post("/v1/sources", {{"name", options_.name}, {"plan", true}})) return true;
    exit_code_ = daemon.exit_code();
    return false;
}

std::string Connecting::flow_name() const {
    if (!options_.flow.empty()) return options_.flow;
    return flow_.path.empty() ? flow_.id : flow_.path;
}

bool Connecting::stop_if_interrupted() {
    if (!signals_.pending()) return false;
    complain("stopped; nothing was changed");
    return true;
}

std::optional<Connecting::Answer> Connecting::call(std::string_view method, std::string_view target,
                                                   std::string_view body, std::string_view what) {
    auto answer = api_.call(method, target, access_, body);
    if (!answer) {
        complain(fmt::format("{} does not answer {}: {}", config_.destination.base_url, what,
                             app::printable(answer.error().message)));
        exit_code_ = ExitCode::try_later;
        return std::nullopt;
    }
    if (!is_success(answer->status)) {
        complain(refusal_text(*answer, what));
        exit_code_ = exit_code_for_status(answer->status);
        return std::nullopt;
    }
    return std::move(*answer);
}

/// Servers that do not say who it is, or not without the scope `profile`, are no obstacle.
void Connecting::learn_user() {
    const auto answer = api_.call("GET", "/user", access_, {});
    if (answer && answer->status == 200) user_ = read_user(answer->body);
}

std::optional<Flow> Connecting::find_flow() {
    if (options_.flow.empty()) return choose_flow();
    const bool is_path = is_flow_path(options_.flow);
    std::string target = "/flows/find?id=" + url_encode(options_.flow);
    if (is_path) {
        target = sources_of_path(options_.flow);
        target.erase(target.rfind('/'));
    }
    const auto answer = call("GET", target, {}, "when asked for the flow");
    if (!answer) return std::nullopt;
    auto flow = read_flow(answer->body, config_.destination.base_url);
    if (!flow) {
        complain(app::printable(flow.error().message));
        exit_code_ = ExitCode::rejected;
        return std::nullopt;
    }
    // What was asked for by its path is below the base URL whatever the answer says.
    if (is_path) flow->sources = sources_of_path(options_.flow);
    return std::move(*flow);
}

std::optional<Flow> Connecting::choose_flow() {
    const auto answer = call("GET", "/flows", {}, "when asked for the flows");
    if (!answer) return std::nullopt;
    auto flows = read_flows(answer->body, config_.destination.base_url);
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

void Connecting::list_before() {
    before_.reset();
    const auto answer = api_.call("GET", place_, access_, {});
    if (!answer || answer->status != 200) return;
    auto sources = read_sources(answer->body);
    if (!sources) return;
    before_ = std::move(*sources);
    const auto same = std::ranges::find(*before_, app::printable(title()), &ListedSource::name);
    if (same == before_->end()) return;
    note(fmt::format("The flow has a source called {} already ({}); this adds another one.",
                     same->name, same->id));
}

bool Connecting::may_go_on(const Flow& flow) {
    std::string problem = refusal_of(flow);
    if (problem.empty() && flow.sources.empty()) problem = flow.sources_problem;
    if (!problem.empty()) {
        complain(problem);
        exit_code_ = ExitCode::rejected;
        return false;
    }
    flow_ = flow;
    place_ = flow.sources;
    list_before();
    if (!options_.interactive || options_.yes) return true;
    const bool own = options_.access_token_file.empty();
    note(labelled("source", app::printable(title())) + labelled("flow", flow.title()) +
         labelled("organization", flow.organization) +
         labelled("application",
                  own ? app::printable(config_.connect.client_id) : "that of the access token") +
         labelled("as", user_) + "\nAdd this source? y or n, then Enter:");
    const auto answer = input_.wait_for_line(signals_.descriptor());
    const std::string word = answer ? ascii::lower(ascii::trim(*answer, " \t\r")) : "";
    if (word == "y" || word == "yes") return true;
    complain("not confirmed; nothing was changed");
    exit_code_ = ExitCode::rejected;
    return false;
}

bool Connecting::run(const Secret& access) {
    access_ = access;
    learn_user();
    const auto flow = find_flow();
    if (!flow || !may_go_on(*flow) || stop_if_interrupted()) return false;
    const auto source = make();
    if (!source || !hand_over(*source)) return false;
    show(*source);
    return !options_.hello || say_hello();
}

bool Connecting::has_usable_token(const NewSource& source) const {
    return !source.id.empty() &&
           app::check_secret(source.flow_token.reveal(), {"flow_token"}).has_value();
}

std::optional<NewSource> Connecting::make() {
    json::object wanted{{"name", title()}};
    if (!options_.url.empty()) wanted["external_url"] = options_.url;
    constexpr std::string_view what = "when asked to make the source";
    const auto answer = api_.call("POST", place_, access_, repair_utf8(json::serialize(wanted)));
    if (!answer) {
        complain(fmt::format("{} does not answer {}: {}", config_.destination.base_url, what,
                             app::printable(answer.error().message)));
        exit_code_ = ExitCode::try_later;
        look_for_lost_source();
        return std::nullopt;
    }
    if (!is_success(answer->status)) {
        complain(refusal_text(*answer, what));
        exit_code_ = exit_code_for_status(answer->status);
        if (leaves_open(*answer)) look_for_lost_source();
        return std::nullopt;
    }
    auto source = read_new_source(answer->body);
    if (source && has_usable_token(*source)) return std::move(*source);
    exit_code_ = ExitCode::rejected;
    complain(!source              ? app::printable(source.error().message)
             : source->id.empty() ? "the API made the source, but gave no id for it"
             : source->flow_token.empty()
                 ? "the API made the source, but gave no flow_token for it"
                 : "the API made the source, but its flow_token is none that can be used");
    if (source && !source->id.empty()) {
        take_back(source->id);
    } else {
        look_for_lost_source();
    }
    return std::nullopt;
}

/// Whether the daemon has the source; nothing: it can't be asked.
std::optional<bool> Connecting::is_with_daemon() {
    Operator daemon(context_);
    bool found = false;
    bool more = false;
    const auto look = [&](const std::string& lines) {
        for (const auto& source : parse_lines(lines)) {
            found = found || text_of(source, "name") == options_.name;
        }
        return true;
    };
    if (!daemon.pages("/v1/sources", 0, look, more)) return std::nullopt;
    return found;
}

bool Connecting::hand_over(const NewSource& source) {
    if (signals_.pending()) {
        complain("stopped");
        take_back(source.id);
        return false;
    }
    const json::object body{{"name", options_.name}, {"flow_token", source.flow_token.reveal()}};
    const auto reply = call_daemon(context_.control(), "POST", "/v1/sources",
                                   repair_utf8(json::serialize(body)), patience_with_disk);
    if (reply && reply->ok()) return true;
    if (reply) {
        complain(message_of(*reply));
        exit_code_ = exit_code_of(*reply);
        take_back(source.id);
        return false;
    }
    // It may have taken the token all the same.
    complain(reply.error().message);
    exit_code_ = exit_code_of(reply.error());
    const auto taken = is_with_daemon();
    if (taken && *taken) return true;
    if (taken) {
        take_back(source.id);
    } else {
        complain(
            fmt::format("whether flowrelayd has the token is not known: if `flowrelay source list` "
                        "shows {}, it "
                        "is connected; if not, remove source {} in the flow",
                        options_.name, source.id));
    }
    return false;
}

/// Nobody has the token of that source now.
void Connecting::take_back(const std::string& id) {
    const auto gone =
        call("DELETE", place_ + "/" + url_encode(id), {}, "when asked to remove the source again");
    complain(gone ? "the source in the flow was removed again"
                  : fmt::format("source {} stays in the flow without use: remove it there", id));
}

void Connecting::look_for_lost_source() {
    const auto advice = [&] {
        complain(
            fmt::format("whether a source called {} was made is not known: look at the sources "
                        "of {}, and remove it there",
                        app::printable(title()), flow_name()));
    };
    const auto answer = api_.call("GET", place_, access_, {});
    auto now = answer && answer->status == 200 ? read_sources(answer->body)
                                               : Result<std::vector<ListedSource>>(Error{});
    if (!before_ || !now) return advice();
    const auto made = new_sources(*before_, *now, title());
    if (made.empty()) return complain("no source was made");
    if (made.size() == 1) {
        complain(fmt::format("source {} was made all the same", made.front().id));
        return take_back(made.front().id);
    }
    std::string ids;
    for (const auto& source : made) ids += (ids.empty() ? "" : ", ") + source.id;
    complain(fmt::format("one of the sources {} of {} was made without use: remove it there", ids,
                         flow_name()));
}

void Connecting::show(const NewSource& source) const {
    const std::string flow = app::printable(flow_name());
    if (options_.as_json) {
        json::object shown{{"name", options_.name}, {"flow", flow}, {"source_id", source.id}};
        const auto add = [&](const char* member, const std::string& value) {
            if (!value.empty()) shown[member] = value;
        };
        add("application", source.application);
        add("configuration_uri", source.configuration_uri);
        add("user", user_);
        return print_json(json::serialize(shown));
    }
    print_text(fmt::format("{} is connected to {}, where it is source {}", options_.name, flow,
                           source.id));
    print_text(labelled("application", source.application) +
               labelled("settings", source.configuration_uri) + labelled("as", user_));
}

bool Connecting::say_hello() {
    const json::object event{{"source", options_.name},
                             {"event", "activity"},
                             {"external_thread_id", "flowrelay:connected"},
                             {"title", "connected this source"},
                             {"author", json::object{{"name", "flowrelay"}}},
                             {"thread", json::object{{"title", title()}}}};
    const auto reply = call_daemon(context_.ingest_socket, "POST", "/messages",
                                   repair_utf8(json::serialize(event)), patience_with_disk);
    if (reply && reply->ok()) return true;
    complain(fmt::format("{} is connected, but its first event was not accepted: {}", options_.name,
                         reply ? message_of(*reply) : reply.error().message));
    exit_code_ = reply ? exit_code_of(*reply) : exit_code_of(reply.error());
    return false;
}

}  // namespace flowrelay::cli
