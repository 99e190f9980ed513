#include "cli/connecting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "cli/control_client.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/secret_file.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

// What the daemon takes of a text about the source in its flow.
constexpr std::size_t max_flow_source_text = 1024;

std::string labelled(std::string_view name, std::string_view value) {
    return value.empty() ? std::string() : fmt::format("  {:<13} {}\n", name, value);
}

}  // namespace

Connecting::Connecting(const Context& context, const ConnectOptions& options,
                       const app::Config& config, LineInput& input, const HeldSignals& signals)
    : context_(context),
      options_(options),
      config_(config),
      input_(input),
      signals_(signals),
      api_(config, input, signals) {}

ExitCode Connecting::prepare() {
    Operator daemon(context_);
    if (daemon.post("/v1/sources", {{"name", options_.name}, {"plan", true}})) return ExitCode::ok;
    return daemon.exit_code();
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

void Connecting::list_before() {
    before_ = api_.sources(place_);
    if (!before_) return;
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
    if (!options_.access.interactive || options_.yes) return true;
    const bool own = options_.access.token_file.empty();
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

ExitCode Connecting::work(const Secret& access) {
    api_.use(access);
    return connect() ? ExitCode::ok : exit_code_;
}

bool Connecting::connect() {
    user_ = api_.user();
    const auto flow = api_.find_flow(options_.flow);
    if (!flow) exit_code_ = api_.exit_code();
    if (!flow || !may_go_on(*flow) || stop_if_interrupted()) return false;
    const auto source = make();
    if (!source || !hand_over(*source)) return false;
    show(*source);
    return is_settled_ && (!options_.hello || say_hello());
}

bool Connecting::has_usable_token(const NewSource& source) const {
    return !source.id.empty() &&
           app::check_secret(source.flow_token.reveal(), {"flow_token"}).has_value();
}

std::optional<NewSource> Connecting::make() {
    json::object wanted{{"name", title()}};
    if (!options_.url.empty()) wanted["external_url"] = options_.url;
    constexpr std::string_view what = "when asked to make the source";
    const auto answer = api_.try_call("POST", place_, repair_utf8(json::serialize(wanted)));
    if (api_.says_why_not(answer, what)) {
        exit_code_ = api_.exit_code();
        if (!answer || answer->status >= 500) look_for_lost_source();
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
            // One of an earlier source of that name may still be listed.
            const std::string state = text_of(source, "state");
            const bool is_past = state == "removed" || state == "erased" || state == "gone";
            found = found || (!is_past && text_of(source, "name") == options_.name);
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
    json::object lives{{"id", source.id}};
    const auto add = [&](const char* member, const std::string& value) {
        if (!value.empty() && value.size() <= max_flow_source_text) lives[member] = value;
    };
    add("flow", flow_.path.empty() ? flow_name() : flow_.path);
    add("flow_name", flow_.name);
    add("application", source.application.empty() ? config_.connect.client_id : source.application);
    add("configuration_uri", source.configuration_uri);
    const json::object body{{"name", options_.name},
                            {"flow_token", source.flow_token.reveal()},
                            {"flow_source", std::move(lives)}};
    const auto reply = call_daemon(context_.control(), "POST", "/v1/sources",
                                   repair_utf8(json::serialize(body)), patience_with_disk);
    if (reply && reply->ok()) return true;
    complain(reply ? message_of(*reply) : reply.error().message);
    exit_code_ = reply ? exit_code_of(*reply) : exit_code_of(reply.error());
    if (reply && reply->code < 500) {
        take_back(source.id);
        return false;
    }
    // The daemon may have taken the token, and only its answer or its disk failed.
    const auto taken = is_with_daemon();
    if (taken && *taken) {
        is_settled_ = !reply;
        return true;
    }
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
    const auto gone = api_.call("DELETE", place_ + "/" + url_encode(id), {},
                                "when asked to remove the source again");
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
    const auto now = api_.sources(place_);
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
