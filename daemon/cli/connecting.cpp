#include "cli/connecting.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "cli/control_client.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

std::string labelled(std::string_view name, std::string_view value) {
    return value.empty() ? std::string() : fmt::format("  {:<13} {}\n", name, value);
}

client::AskDaemon ask_daemon(std::string socket) {
    return [socket = std::move(socket)](std::string_view method, std::string_view target,
                                        std::string_view body) {
        return call_daemon(socket, method, target, body, patience_with_disk);
    };
}

}  // namespace

Connecting::Connecting(const Context& context, const ConnectOptions& options,
                       const app::Config& config, LineInput& input, const HeldSignals& signals)
    : context_(context),
      options_(options),
      config_(config),
      input_(input),
      signals_(signals),
      api_(config, input, signals),
      making_(api_, ask_daemon(context.control()),
              {options.name, title(), options.url, config.connect.client_id}, complain) {}

ExitCode Connecting::prepare() {
    return making_.is_name_free() ? ExitCode::ok : exit_code_of(making_.failure());
}

bool Connecting::stop_if_interrupted() {
    if (!signals_.pending()) return false;
    complain("stopped; nothing was changed");
    return true;
}

bool Connecting::may_go_on(const Flow& flow) {
    std::string problem = client::refusal_of(flow);
    if (problem.empty() && flow.sources.empty()) problem = flow.sources_problem;
    if (!problem.empty()) {
        complain(problem);
        exit_code_ = ExitCode::rejected;
        return false;
    }
    if (const auto same = making_.choose(flow, options_.flow)) {
        note(fmt::format("The flow has a source called {} already ({}); this adds another one.",
                         same->name, same->id));
    }
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
    const auto source = making_.make();
    if (source && signals_.pending()) {
        complain("stopped");
        making_.take_back(source->id);
        return false;
    }
    const bool connected = source && making_.hand_over(*source);
    exit_code_ = exit_code_of(making_.failure());
    if (!connected) return false;
    show(*source);
    return making_.is_settled() && (!options_.hello || say_hello());
}

void Connecting::show(const NewSource& source) const {
    const std::string flow = app::printable(making_.flow_name());
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
