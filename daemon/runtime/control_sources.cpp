// /v1/sources: the tokens, and operators' changes to them.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <utility>

#include "control_call.hpp"
#include "control_event.hpp"
#include "control_filter.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "status_report.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace json = boost::json;

namespace {

std::string_view kind_of(const core::Token& token) {
    if (token.unknown) return "unknown";
    switch (token.entry.origin) {
        case core::TokenEntry::Origin::configured:
            return "configured";
        case core::TokenEntry::Origin::added:
            return "added";
        case core::TokenEntry::Origin::left:
            return "unconfigured";
        case core::TokenEntry::Origin::direct:
        case core::TokenEntry::Origin::unstated:
            break;
    }
    return "token";
}

constexpr std::size_t max_flow_source_text = 1024;

/// Reads the optional member "flow_source" of a POST. Refuses an invalid one.
core::OrRefusal<core::KnownFlowSource> read_flow_source(const json::object& body) {
    const json::value* value = body.if_contains("flow_source");
    if (value == nullptr) return core::KnownFlowSource();
    if (!value->is_object()) return not_understood("\"flow_source\" has to be an object");
    core::FlowSource source;
    for (const auto& [name, member] : value->get_object()) {
        std::string* const part = name == "id"                  ? &source.id
                                  : name == "flow"              ? &source.flow
                                  : name == "flow_name"         ? &source.flow_name
                                  : name == "application"       ? &source.application
                                  : name == "configuration_uri" ? &source.configuration_uri
                                                                : nullptr;
        if (part == nullptr) continue;  // sent by a later version
        if (!member.is_string() || member.get_string().size() > max_flow_source_text) {
            return not_understood(fmt::format("\"{}\" has to be a string of at most {} bytes",
                                              std::string_view(name), max_flow_source_text));
        }
        *part = member.get_string();
    }
    if (source.id.empty()) return not_understood("\"flow_source\" has no \"id\"");
    return core::KnownFlowSource(std::move(source));
}

json::object to_json(const core::FlowSource& source) {
    json::object shown{{"id", source.id}};
    const auto add = [&](std::string_view name, const std::string& value) {
        if (!value.empty()) shown[name] = value;
    };
    add("flow", source.flow);
    add("flow_name", source.flow_name);
    add("application", source.application);
    add("configuration_uri", source.configuration_uri);
    return shown;
}

json::object describe(const core::Relay& relay, const core::Token& token, Now now) {
    const TokenId id = token.entry.id;
    const auto status = relay.destination().scheduler().token_status(id);
    json::object source{{"name", token.label()},
                        {"slot", core::slot_name(id)},
                        {"kind", kind_of(token)},
                        {"state", token_state(token, status)},
                        {"queued", relay.lifecycle().queued(id)}};
    if (!token.unknown) source["since"] = format_time(token.entry.since);
    if (token.rules.rate_limit > 0) source["rate_limit"] = token.rules.rate_limit;
    add_erasure(source, relay, token, now.wall);
    if (const auto until = std::max(status.until, status.probe_by)) {
        source["until_s"] = in_seconds(
            std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(*until - now.mono)));
    }
    auto reason = relay.lifecycle().token_reason(id);
    if (!reason.empty()) source["reason"] = std::move(reason);
    if (token.entry.flow_source) source["flow_source"] = to_json(*token.entry.flow_source.get());
    if (token.filter()) source["filter"] = filter_json(*token.filter());
    if (token.filtered > 0) source["filtered"] = token.filtered;
    return source;
}

/// Saves the changes. The answer describes the first one.
asio::awaitable<http::Response> saved(ControlCall& call, core::TokenTable::Changes changes,
                                      int status) {
    const TokenId token = changes.front().id;
    const auto done = co_await operations::save(call.engine, std::move(changes));
    const auto& slot = call.relay().tokens().at(token);
    const std::string state(
        token_state(slot, call.relay().destination().scheduler().token_status(token)));
    if (done.has_error()) {
        call.result = fmt::format("{} until a restart, but perhaps not after it", state);
        Error error = done.error();
        error.message = fmt::format(
            "{} is {} now, but whether the disk has taken that is not known ({}): after a restart "
            "it may be what it was before. The disk is tried again every 10 seconds",
            slot.label(), state, error.message);
        co_return control_error(error);
    }
    call.result = state;
    co_return json_response(describe(call.relay(), slot, call.engine.clock().now()), status);
}

using SourceChange = core::OrRefusal<core::TokenTable::Changes> (*)(core::Relay& relay,
                                                                    TokenId token, Now now);

asio::awaitable<http::Response> change_source(ControlCall& call, SourceChange make) {
    const auto token = find_source(call, call.name);
    if (token.has_error()) co_return control_error(token.error());
    auto changes = make(call.relay(), *token, call.engine.clock().now());
    if (changes.has_error()) co_return control_error(changes.error());
    auto answer = co_await saved(call, std::move(*changes), 200);
    co_return answer;
}

asio::awaitable<std::uint64_t> count_dead(Engine& engine, TokenId token) {
    std::uint64_t count = 0;
    Seq after = Seq::none;
    while (true) {
        const auto letters = co_await operations::list_dead(engine, after, 256);
        if (letters.empty()) co_return count;
        for (const auto& letter : letters) count += letter.event.token == token ? 1 : 0;
        after = letters.back().seq;
    }
}

}  // namespace

ControlAnswer get_sources(ControlCall& call) {
    const auto limit = page_limit(call);
    if (!limit) co_return control_error(400, "invalid", "limit has to be 1 to 1000");
    const auto from = page_start(call.query("after"));
    if (from.has_error()) co_return control_error(from.error());
    const Now now = call.engine.clock().now();
    const auto& tokens = call.relay().tokens().all();
    std::string lines;
    std::size_t shown = 0;
    auto at = tokens.lower_bound(from->token);
    for (; at != tokens.end() && shown < *limit; ++at, ++shown) {
        lines += json::serialize(describe(call.relay(), at->second, now));
        lines += '\n';
    }
    const bool more = at != tokens.end();
    co_return lines_response(std::move(lines),
                             more ? to_string(QueueCursor{at->first, 0, Seq::none}) : "");
}

ControlAnswer get_source(ControlCall& call) {
    const auto token = find_source(call, call.name);
    if (token.has_error()) co_return control_error(token.error());
    const core::Token& slot = call.relay().tokens().at(*token);
    co_return json_response(describe(call.relay(), slot, call.engine.clock().now()));
}

ControlAnswer check_source(ControlCall& call) {
    const auto token = find_source(call, call.name);
    if (token.has_error()) co_return control_error(token.error());
    const auto answer = co_await operations::check_source(call.engine, *token);
    if (answer.refusal) co_return control_error(*answer.refusal);
    call.result = core::to_string(answer.life);
    json::object shown{{"name", call.relay().tokens().shown_name(call.name)}};
    const auto slot = call.relay().tokens().all().find(*token);
    if (slot != call.relay().tokens().all().end()) {
        shown = describe(call.relay(), slot->second, call.engine.clock().now());
    }
    shown["result"] = call.result;
    if (answer.status != 0) shown["status"] = answer.status;
    if (!answer.reason.empty()) shown["reason"] = answer.reason;
    co_return json_response(shown);
}

ControlAnswer add_source(ControlCall& call) {
    const std::string name = call.text("name");
    call.target = name;
    if (call.plan) {
        if (auto refused = call.relay().tokens().refuse_name(name))
            co_return control_error(*refused);
        co_return json_response({{"name", name}, {"plan", true}});
    }
    auto flow_source = read_flow_source(call.body);
    if (flow_source.has_error()) co_return control_error(flow_source.error());
    auto changes = call.relay().lifecycle().add_source(
        name, Secret(call.text("flow_token")), call.engine.clock().now(), std::move(*flow_source));
    if (changes.has_error()) co_return control_error(changes.error());
    auto answer = co_await saved(call, std::move(*changes), 201);
    co_return answer;
}

ControlAnswer pause_source(ControlCall& call) {
    return change_source(call, [](core::Relay& relay, TokenId token, Now now) {
        return relay.lifecycle().pause_source(token, now);
    });
}

ControlAnswer resume_source(ControlCall& call) {
    return change_source(call, [](core::Relay& relay, TokenId token, Now now) {
        return relay.lifecycle().resume_source(token, now);
    });
}

ControlAnswer rotate_source(ControlCall& call) {
    const auto token = find_source(call, call.name);
    if (token.has_error()) co_return control_error(token.error());
    auto flow_source = read_flow_source(call.body);
    if (flow_source.has_error()) co_return control_error(flow_source.error());
    auto changes =
        call.relay().lifecycle().rotate_source(*token, Secret(call.text("flow_token")),
                                               call.engine.clock().now(), std::move(*flow_source));
    if (changes.has_error()) co_return control_error(changes.error());
    auto answer = co_await saved(call, std::move(*changes), 200);
    co_return answer;
}

ControlAnswer filter_source(ControlCall& call) {
    const auto token = find_source(call, call.name);
    if (token.has_error()) co_return control_error(token.error());
    auto filter = read_filter(call.body);
    if (filter.has_error()) co_return control_error(filter.error());
    auto changes = call.relay().lifecycle().set_source_filter(*token, std::move(*filter));
    if (changes.has_error()) co_return control_error(changes.error());
    auto answer = co_await saved(call, std::move(*changes), 200);
    co_return answer;
}

ControlAnswer enable_source(ControlCall& call) {
    // A name may have a slot whose token is gone and a new slot in use.
    auto token = find_source(call, call.name);
    if (token.has_error()) co_return control_error(token.error());
    if (const auto gone = call.relay().tokens().find_gone(call.name)) token = *gone;
    auto tokens = call.relay().tokens().gone_with(*token);
    if (tokens.empty()) tokens.push_back(*token);
    std::vector<core::TokenLifecycle::StoredBacklog> backlogs;
    // No events are accepted for a token that is gone, so the count stays valid until it is used.
    for (const TokenId each : tokens) {
        auto backlog = co_await operations::backlog_to_go_on_with(call.engine, each);
        if (backlog.has_error()) co_return control_error(backlog.error());
        backlogs.push_back({each, backlog->queued, backlog->first, std::move(backlog->replays)});
    }
    auto changes = call.relay().lifecycle().enable_source(backlogs, call.engine.clock().now());
    if (changes.has_error()) co_return control_error(changes.error());
    auto answer = co_await saved(call, std::move(*changes), 200);
    co_return answer;
}

ControlAnswer remove_source(ControlCall& call) {
    if (!call.plan) {
        const SourceChange remove = [](core::Relay& relay, TokenId id, Now now) {
            return relay.lifecycle().remove_source(id, now);
        };
        auto answer = co_await change_source(call, remove);
        co_return answer;
    }
    const auto token = find_source(call, call.name);
    if (token.has_error()) co_return control_error(token.error());
    const auto backlog = co_await operations::backlog_of(call.engine, *token);
    if (backlog.has_error()) co_return control_error(backlog.error());
    const auto dead = co_await count_dead(call.engine, *token);
    const auto slot = call.relay().tokens().all().find(*token);
    if (slot == call.relay().tokens().all().end()) {
        co_return control_error(core::Refusal{core::Refusal::Code::not_found,
                                              call.name + " has no events and was forgotten"});
    }
    json::object plan = describe(call.relay(), slot->second, call.engine.clock().now());
    plan["plan"] = true;
    plan["queued"] = backlog->queued;
    plan["dead_letters"] = dead;
    co_return json_response(plan);
}

}  // namespace flowrelay::runtime
