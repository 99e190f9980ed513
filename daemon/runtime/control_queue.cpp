// /v1/queue: the events waiting for delivery.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "control_call.hpp"
#include "control_event.hpp"
#include "flowrelay/runtime/engine_operations.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr std::size_t max_ids = 1000;         // per request
constexpr std::size_t max_for_filter = 5000;  // maximum events per request

/// The events that a POST selects.
struct Selection {
    QueueFilter filter;
    QueueCursor from;
    std::vector<std::string> ids;
    bool by_filter = false;
};

core::OrRefusal<QueueFilter> make_filter(const ControlCall& call, const std::string& source,
                                         std::string thread) {
    QueueFilter filter;
    if (!source.empty()) {
        auto tokens = find_sources(call, source);
        if (tokens.has_error()) return tokens.error();
        filter.tokens = std::move(*tokens);
    }
    filter.thread = std::move(thread);
    return filter;
}

core::OrRefusal<Selection> read_selection(const ControlCall& call) {
    Selection selection;
    const json::value* ids = call.body.if_contains("ids");
    const bool all = call.flag("all");
    const std::string source = call.text("source");
    const std::string thread = call.text("thread");
    selection.by_filter = all || !source.empty() || !thread.empty();
    if (selection.by_filter == (ids != nullptr) || (all && !(source + thread).empty())) {
        return not_understood(
            R"(say which events: {"ids": […]}, {"source": …, "thread": …}, or {"all": true})");
    }
    if (ids != nullptr) {
        auto read = read_ids(*ids, max_ids);
        if (read.has_error()) return read.error();
        selection.ids = std::move(*read);
        return selection;
    }
    auto filter = make_filter(call, source, thread);
    if (filter.has_error()) return filter.error();
    selection.filter = std::move(*filter);
    selection.filter.accepted_by = call.engine.clock().now().wall;
    if (const json::value* by = call.body.if_contains("accepted_by_ms")) {
        if (!by->is_int64()) return not_understood("\"accepted_by_ms\" has to be a whole number");
        selection.filter.accepted_by = WallTime(Milliseconds(by->get_int64()));
    }
    const auto from = page_start(call.text("after"));
    if (from.has_error()) return from.error();
    selection.from = *from;
    return selection;
}

/// The events that a selection matches now.
struct SelectedEvents {
    std::vector<ListedEvent> events;
    std::vector<std::string> not_found;
    std::optional<QueueCursor> next;
};

asio::awaitable<Result<SelectedEvents>> select(Engine& engine, Selection selection,
                                               const Wanted& wanted) {
    SelectedEvents selected;
    if (!selection.by_filter) {
        auto found = co_await operations::find_events(engine, std::move(selection.ids), wanted);
        if (found.has_error()) co_return found.error();
        selected.events = std::move(found->events);
        selected.not_found = std::move(found->not_found);
        co_return selected;
    }
    selected.next = selection.from;
    while (selected.next && selected.events.size() < max_for_filter) {
        if (!wanted()) co_return operations::abandoned();
        auto page =
            co_await operations::list_queue(engine, selection.filter, *selected.next, 1000, false);
        if (page.has_error()) co_return page.error();
        for (auto& event : page->events) selected.events.push_back(std::move(event));
        selected.next = page->next;
        const bool found_little = page->events.size() < 100;
        if (found_little && selected.next) break;  // the search was long for so few events
    }
    co_return selected;
}

asio::awaitable<json::array> examples(Engine& engine, const std::vector<ListedEvent>& events) {
    json::array shown;
    for (std::size_t i = 0; i < events.size() && i < max_examples; ++i) {
        auto event = events[i];
        if (event.record.id.empty()) {
            auto read =
                co_await operations::find_event(engine, std::to_string(to_number(event.event.seq)));
            if (read.has_value() && *read) event = std::move(**read);
        }
        shown.push_back(describe_event(engine.relay(), event, engine.clock().now()));
    }
    co_return shown;
}

void add_rest(json::object& answer, const SelectedEvents& selected, const Selection& selection) {
    if (!selected.not_found.empty()) {
        json::array ids;
        for (const auto& id : selected.not_found) ids.push_back(json::value(id));
        answer["not_found"] = std::move(ids);
    }
    if (!selected.next) return;
    answer["next"] = to_string(*selected.next);
    answer["accepted_by_ms"] = selection.filter.accepted_by.time_since_epoch().count();
}

std::string target_of(const ControlCall& call, const Selection& selection) {
    if (!selection.by_filter) {
        if (selection.ids.size() == 1) return selection.ids.front();
        return fmt::format("{} events by their ids", selection.ids.size());
    }
    std::string target = call.text("source").empty() ? "all sources" : call.text("source");
    if (!selection.filter.thread.empty()) target += ", thread " + selection.filter.thread;
    return target;
}

}  // namespace

ControlAnswer get_queue(ControlCall& call) {
    const auto limit = page_limit(call);
    if (!limit) co_return control_error(400, "invalid", "limit has to be 1 to 1000");
    auto filter = make_filter(call, call.query("source"), call.query("thread"));
    if (filter.has_error()) co_return control_error(filter.error());
    const auto from = page_start(call.query("after"));
    if (from.has_error()) co_return control_error(from.error());
    auto page = co_await operations::list_queue(call.engine, *filter, *from, *limit, true);
    if (page.has_error()) co_return control_error(page.error());
    const Now now = call.engine.clock().now();
    std::string lines;
    for (const auto& event : page->events) {
        lines += json::serialize(describe_event(call.relay(), event, now));
        lines += '\n';
    }
    const std::string next = page->next ? to_string(*page->next) : std::string();
    co_return lines_response(std::move(lines), next);
}

ControlAnswer get_event(ControlCall& call) {
    std::vector<std::string> named(1, call.name);
    auto found = co_await operations::find_events(call.engine, std::move(named), call.wanted);
    if (found.has_error()) co_return control_error(found.error());
    if (found->events.empty()) {
        co_return control_error(404, "not_found",
                                fmt::format("no event {} is queued; `flowrelay explain {}` may "
                                            "know what became of it",
                                            call.name, call.name));
    }
    const auto& listed = found->events.front();
    const Now now = call.engine.clock().now();
    json::object event = describe_event(call.relay(), listed, now);
    json::array copies;
    for (std::size_t i = 1; i < found->events.size(); ++i) {
        copies.push_back(describe_event(call.relay(), found->events[i], now));
    }
    if (!copies.empty()) event["copies"] = std::move(copies);
    event["own_id"] = listed.record.own_id;
    add_chain(event, core::explain(call.relay().situation(listed.event), now.mono));
    http::Response response;
    const std::string& body = listed.record.body;
    append_with(response.body, event, "body", body.empty() ? "null" : body);
    co_return response;
}

ControlAnswer retry_events(ControlCall& call) {
    auto selection = read_selection(call);
    if (selection.has_error()) co_return control_error(selection.error());
    call.target = target_of(call, *selection);
    auto selected = co_await select(call.engine, *selection, call.wanted);
    if (selected.has_error()) co_return control_error(selected.error());
    json::object answer{{"matched", selected->events.size()}};
    const Now now = call.engine.clock().now();
    std::uint64_t tried = 0;
    std::uint64_t paused = 0;
    for (const auto& listed : selected->events) {
        const auto& slot = call.relay().tokens().all();
        const auto token = slot.find(listed.event.lane.token);
        const bool held = call.relay().destination().deliveries_held() || token == slot.end() ||
                          token->second.missing() ||
                          token->second.entry.state != core::TokenEntry::State::active;
        if (held) ++paused;
        if (held || !call.relay().destination().scheduler().contains(listed.event.seq)) continue;
        if (!call.plan) call.relay().destination().scheduler().try_now(listed.event.seq, now);
        ++tried;
    }
    if (!call.plan) call.engine.wake();
    answer["retried"] = tried;
    if (paused > 0) answer["held"] = paused;
    if (call.plan) answer["plan"] = true;
    add_rest(answer, *selected, *selection);
    call.result = fmt::format("{} tried", tried);
    co_return json_response(answer);
}

ControlAnswer drop_events(ControlCall& call) {
    auto selection = read_selection(call);
    if (selection.has_error()) co_return control_error(selection.error());
    call.target = target_of(call, *selection);
    // A plan changes nothing, so it does not need a turn.
    std::optional<operations::Turn> turn;
    if (!call.plan) {
        auto given = co_await operations::wait_for_turn(call.engine, call.wanted);
        if (!given) co_return control_error(operations::abandoned());
        turn.emplace(std::move(*given));
    }
    auto selected = co_await select(call.engine, *selection, call.wanted);
    if (selected.has_error()) co_return control_error(selected.error());
    json::object answer{{"matched", selected->events.size()}};
    add_rest(answer, *selected, *selection);
    if (call.plan) {
        answer["plan"] = true;
        auto shown = co_await examples(call.engine, selected->events);
        answer["examples"] = std::move(shown);
        co_return json_response(answer);
    }
    auto dropped = co_await operations::drop(call.engine, std::move(selected->events));
    if (dropped.has_error()) co_return control_error(dropped.error());
    answer["dropped"] = dropped->dropped;
    if (dropped->in_flight > 0) answer["in_flight"] = dropped->in_flight;
    if (dropped->not_queued > 0) answer["not_queued"] = dropped->not_queued;
    call.result = fmt::format("{} dropped", dropped->dropped);
    co_return json_response(answer);
}

}  // namespace flowrelay::runtime
