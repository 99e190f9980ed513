// /v1/status, /v1/metrics, /v1/reload: the daemon as a whole.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <utility>

#include "control_call.hpp"
#include "control_routes.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "flowrelay/runtime/metrics.hpp"
#include "status_report.hpp"
#include "storage_answer.hpp"

namespace flowrelay::runtime {
namespace json = boost::json;

namespace {

json::array to_array(const std::vector<std::string>& texts) {
    json::array array;
    for (const auto& text : texts) array.push_back(json::value(text));
    return array;
}

/// Lists the sources whose state needs attention and was not changed by the reload.
json::array sources_to_look_at(const core::Relay& relay, Now now) {
    json::array sources;
    for (const auto& [id, token] : relay.tokens().all()) {
        const std::string_view state =
            token_state(token, relay.destination().scheduler().token_status(id));
        const auto queued = relay.lifecycle().queued(id);
        const bool is_over = state == "erased" || state == "removed";
        if (token.entry.source.empty() || state == "active" || state == "throttled") continue;
        if (is_over && !token.is_source()) continue;
        if (state == "missing" && queued == 0) continue;
        json::object source{{"name", token.label()}, {"state", state}, {"queued", queued}};
        add_erasure(source, relay, token, now.wall);
        auto reason = relay.lifecycle().token_reason(id);
        if (!reason.empty()) source["reason"] = std::move(reason);
        sources.push_back(std::move(source));
    }
    return sources;
}

/// Returns the state of a slot in `tokens`, which may be a plan.
std::string_view state_in(const core::TokenTable& tokens, TokenId slot, const core::Relay& relay) {
    const auto& now = relay.tokens().all();
    const auto same = now.find(slot);
    auto status = relay.destination().scheduler().token_status(slot);
    // The scheduler's state does not apply if the slot has another token. A pause in the scheduler
    // is not one by an operator.
    const bool renewed =
        same == now.end() || same->second.entry.fingerprint != tokens.at(slot).entry.fingerprint;
    if (renewed || status.state == core::TokenState::paused) {
        status.state = core::TokenState::active;
    }
    return token_state(tokens.at(slot), status);
}

/// Lists the changes of each source, with its state in `table`.
json::array to_array(const std::vector<core::SourceChange>& changes, const core::TokenTable& table,
                     const core::Relay& relay) {
    json::array sources;
    const auto& tokens = table.all();
    for (const core::SourceChange& change : changes) {
        json::object source{{"name", change.name},
                            {"slot", core::slot_name(change.slot)},
                            {"change", to_array(change.what)}};
        if (const auto token = tokens.find(change.slot); token != tokens.end()) {
            source["state"] = state_in(table, change.slot, relay);
            source["queued"] = relay.lifecycle().queued(change.slot);
        }
        sources.push_back(std::move(source));
    }
    return sources;
}

Error not_on_disk(Error error) {
    error.message = fmt::format(
        "the configuration is in force, but whether the disk has taken what it changes of the "
        "sources is not known ({}): until it has, do not change their names or tokens once more. "
        "The disk is tried again every 10 seconds",
        error.message);
    return error;
}

http::Response plan_response(const ControlCall& call, const ReloadResult& result) {
    const bool usable = result.problems.empty() || result.would_destroy;
    const core::Relay& relay = call.relay();
    const core::TokenTable& tokens = result.planned ? *result.planned : relay.tokens();
    json::object plan{{"plan", true},
                      {"file", call.context.config_file},
                      {"usable", usable},
                      {"would_destroy", result.would_destroy},
                      {"problems", to_array(result.problems)},
                      {"changed", to_array(result.changed)},
                      {"sources", to_array(result.sources, tokens, relay)},
                      {"consequences", to_array(result.consequences)},
                      {"restart", to_array(result.restart)}};
    return json_response(plan);
}

}  // namespace

ControlAnswer get_status(ControlCall& call) {
    const auto snapshot = co_await operations::snapshot(call.engine);
    http::Response response;
    response.body = status_report(call.engine, snapshot, call.context);
    co_return response;
}

ControlAnswer get_metrics(ControlCall& call) {
    const auto format = metrics_format(call.reader.field("Accept"));
    const auto snapshot = co_await operations::snapshot(call.engine);
    http::Response response;
    response.content_type = metrics_content_type(format);
    response.body = metrics_report(format, call.engine, snapshot, call.context);
    co_return response;
}

ControlAnswer reload_config(ControlCall& call) {
    if (!call.context.reload) {
        co_return control_error(409, "conflict", "this daemon can't read its configuration again");
    }
    // A plan reads files and tokens on the I/O thread, so not every user may request it.
    if (call.plan && !may_change(call.peer, call.context)) {
        co_return control_error(403, "not_permitted",
                                "the plan of a reload is for those who may reload: root, the "
                                "daemon's own user and the members of control.admin_group");
    }
    const auto oldest_death = co_await operations::oldest_death(call.engine);
    ReloadRequest request;
    request.accept_loss = call.flag("accept_loss");
    request.oldest_death = oldest_death;
    request.plan = call.plan;
    Ask<ReloadResult> reload = [&call, request](ReloadDone done) {
        call.context.reload(request, std::move(done));
    };
    const auto answered = co_await answer_of<ReloadResult>(std::move(reload));
    const ReloadResult& result = *answered;
    if (call.plan) co_return plan_response(call, result);
    call.target = "the configuration";
    if (!result.applied) {
        call.result = "not applied";
        json::object refused{
            {"code", result.would_destroy ? "would_destroy" : "invalid_config"},
            {"message", fmt::format("nothing has changed: {}", fmt::join(result.problems, "; "))},
            {"problems", to_array(result.problems)}};
        co_return json_response(refused, result.would_destroy ? 409 : 422);
    }
    if (result.not_saved) {
        call.result = "in force until a restart, but perhaps not after it";
        co_return control_error(not_on_disk(*result.not_saved));
    }
    call.result = fmt::format("{} changed", result.changed.size());
    json::object answer{{"applied", true},
                        {"changed", to_array(result.changed)},
                        {"sources", to_array(result.sources, call.relay().tokens(), call.relay())},
                        {"consequences", to_array(result.consequences)},
                        {"restart", to_array(result.restart)}};
    answer["attention"] = sources_to_look_at(call.relay(), call.engine.clock().now());
    co_return json_response(answer);
}

}  // namespace flowrelay::runtime
