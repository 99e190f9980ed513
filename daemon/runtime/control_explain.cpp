// /v1/explain: why something waits and until when, or how it ended.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>
#include <vector>

#include "control_call.hpp"
#include "control_event.hpp"
#include "control_filter.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "status_report.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace json = boost::json;

namespace {

using Found = std::optional<json::object>;
using Asked = Result<Found>;

void add_history(json::object& out, const core::Relay& relay, Seq seq, unsigned attempts) {
    json::array history;
    for (const auto& attempt : relay.reporting().history().attempts(seq)) {
        json::object entry{{"at", format_time(attempt.at)},
                           {"attempt", attempt.number},
                           {"reason", attempt.reason}};
        if (attempt.status != 0) entry["status"] = attempt.status;
        history.push_back(std::move(entry));
    }
    // The other attempts were dropped from the history, or were before a restart.
    if (history.size() < attempts) out["attempts_forgotten"] = attempts - history.size();
    out["history"] = std::move(history);
}

json::object explain_queued(const core::Relay& relay, const ListedEvent& listed, Now now) {
    json::object out = describe_event(relay, listed, now);
    out["kind"] = "event";
    const auto situation = relay.situation(listed.event);
    add_chain(out, core::explain(situation, now.mono));
    add_history(out, relay, listed.event.seq, situation.stored ? 0 : situation.reason.attempts);
    return out;
}

json::object explain_past(const core::Relay& relay, const core::PastEvent& past) {
    core::EventRecord record;
    record.token = past.token;
    record.accepted = past.accepted;
    json::object out = describe_record(relay, past.seq, record, Now{{}, past.ended});
    out.erase("age_s");
    out["kind"] = "past";
    out["state"] = core::to_string(past.outcome);
    out["ended"] = format_time(past.ended);
    out["attempts"] = past.attempts;
    if (past.status != 0) out["status"] = past.status;
    out["text"] = core::explain(past);
    add_history(out, relay, past.seq, 0);
    return out;
}

json::object explain_dead(const core::Relay& relay, const core::DeadLetter& letter, Now now) {
    json::object out = describe_record(relay, letter.seq, letter.event, now);
    core::PastEvent past;
    past.outcome = letter.outcome;
    past.ended = letter.died;
    past.attempts = letter.attempts;
    past.status = letter.status;
    out["kind"] = "dead";
    out["state"] = core::to_string(letter.outcome);
    out["ended"] = format_time(letter.died);
    out["attempts"] = letter.attempts;
    if (letter.status != 0) out["status"] = letter.status;
    out["reason"] = letter.reason;
    out["text"] = core::explain(past);
    add_history(out, relay, letter.seq, 0);
    return out;
}

json::object explain_filtered(const core::Relay& relay, std::string_view id,
                              const core::FilteredEvent& event) {
    const auto slot = relay.tokens().all().find(event.token);
    const std::string source =
        slot == relay.tokens().all().end() ? core::slot_name(event.token) : slot->second.label();
    return {{"kind", "filtered"},
            {"id", id},
            {"source", source},
            {"state", "filtered"},
            {"ended", format_time(event.at)},
            {"filter", filter_json(*event.filter)},
            {"unfit", core::to_string(event.list)},
            {"text", core::explain(event, source)}};
}

asio::awaitable<Asked> explain_source(Engine& engine, TokenId token) {
    QueueFilter filter;
    filter.tokens.push_back(token);
    auto page = co_await operations::list_queue(engine, filter, QueueCursor(), 1, true);
    if (page.has_error()) co_return page.error();
    const core::Relay& relay = engine.relay();
    const auto found = relay.tokens().all().find(token);
    if (found == relay.tokens().all().end()) co_return Found();
    const core::Token& slot = found->second;
    json::object out{
        {"kind", "source"},
        {"source", slot.label()},
        {"state", token_state(slot, relay.destination().scheduler().token_status(token))},
        {"queued", relay.lifecycle().queued(token)}};
    const Now now = engine.clock().now();
    core::QueuedEvent oldest;
    oldest.lane.token = token;
    if (!page->events.empty()) {
        out["oldest"] = describe_event(relay, page->events.front(), now);
        oldest = page->events.front().event;
    }
    core::Situation situation = relay.situation(oldest);
    if (page->events.empty()) {
        situation.stored = false;
        situation.is_next = true;
    }
    add_chain(out, core::explain(situation, now.mono));
    co_return Found(std::move(out));
}

asio::awaitable<Asked> explain_letter(Engine& engine, std::string what, const Wanted& wanted) {
    auto letter = co_await operations::find_dead(engine, what, wanted);
    if (letter.has_error()) co_return letter.error();
    Found found;
    const Now now = engine.clock().now();
    if (*letter && (*letter)->replayed) {
        const ListedEvent listed = operations::to_listed((*letter)->seq, (*letter)->event);
        found = explain_queued(engine.relay(), listed, now);
    } else if (*letter) {
        found = explain_dead(engine.relay(), **letter, now);
    }
    co_return found;
}

/// Returns the last event of a thread that ended.
std::optional<core::PastEvent> last_of_thread(const core::Relay& relay,
                                              const std::vector<TokenId>& tokens,
                                              const std::string& thread) {
    for (const auto& [id, slot] : relay.tokens().all()) {
        if (!tokens.empty() && !std::ranges::binary_search(tokens, id)) continue;
        for (const char* kind : {"e:", "t:"}) {
            const auto past = relay.reporting().history().last_of({id, hash_thread(kind + thread)});
            if (past) return past;
        }
    }
    return std::nullopt;
}

/// Explains the oldest queued event of a thread; if there is none, how its last event ended.
asio::awaitable<Asked> explain_thread(Engine& engine, std::vector<TokenId> tokens,
                                      std::string thread, const Wanted& wanted) {
    QueueFilter filter;
    filter.tokens = tokens;
    filter.thread = thread;
    std::optional<QueueCursor> next = QueueCursor();
    while (next) {
        if (!wanted()) co_return operations::abandoned();
        auto page = co_await operations::list_queue(engine, filter, *next, 1, true);
        if (page.has_error()) co_return page.error();
        if (!page->events.empty()) {
            json::object out =
                explain_queued(engine.relay(), page->events.front(), engine.clock().now());
            out["kind"] = "thread";
            co_return Found(std::move(out));
        }
        next = page->next;
    }
    const auto past = last_of_thread(engine.relay(), tokens, thread);
    if (!past) co_return Found();
    if (past->outcome == core::Outcome::dead || past->outcome == core::Outcome::expired) {
        auto letter = co_await explain_letter(engine, std::to_string(to_number(past->seq)), wanted);
        if (letter.has_error() || *letter) co_return letter;
    }
    json::object out = explain_past(engine.relay(), *past);
    out["thread"] = thread;
    co_return Found(std::move(out));
}

/// What is named, as the id of an event.
std::string_view id_in(std::string_view what) {
    return what.starts_with("id:") ? what.substr(3) : what;
}

std::optional<core::PastEvent> find_past(const core::Relay& relay, const std::string& what) {
    const bool is_id = what.starts_with("id:");
    if (!is_id && !what.empty() && what.find_first_not_of("0123456789") == what.npos) {
        if (what.size() < 20) {
            if (auto past = relay.reporting().history().find(Seq{std::stoull(what)})) return past;
        }
    }
    return relay.reporting().history().find(id_in(what));
}

asio::awaitable<Asked> explain_waiting(Engine& engine, std::string what, const Wanted& wanted) {
    auto event = co_await operations::find_event(engine, what, wanted);
    if (event.has_error()) co_return event.error();
    Found found;
    if (*event) found = explain_queued(engine.relay(), **event, engine.clock().now());
    co_return found;
}

/// Returns whether the history has the final outcome of an event. Not so for a dead letter, which
/// itself has more details, nor for events of a token that is gone: they end only with the erasure,
/// which may be cancelled.
bool is_settled(const core::Relay& relay, const core::PastEvent& past) {
    switch (past.outcome) {
        case core::Outcome::delivered:
        case core::Outcome::dropped:
            return true;
        case core::Outcome::dead:
        case core::Outcome::expired:
            return false;
        case core::Outcome::erased:
            break;
    }
    const auto slot = relay.tokens().all().find(past.token);
    return slot == relay.tokens().all().end() ||
           slot->second.entry.state == core::TokenEntry::State::erased ||
           slot->second.entry.state == core::TokenEntry::State::forgotten;
}

/// Looks in the cheapest places first: an unknown id is searched for in the whole queue.
asio::awaitable<Asked> explain_one(Engine& engine, std::string what, const Wanted& wanted) {
    std::optional<core::PastEvent> past;
    const auto filtered = engine.relay().reporting().history().find_filtered(id_in(what));
    if (!engine.find_in_memory(what)) {
        past = find_past(engine.relay(), what);
        // The id was used for one event before, and again for another that was filtered.
        if (past && filtered && filtered->at > past->ended) past.reset();
        if (past && is_settled(engine.relay(), *past))
            co_return Found(explain_past(engine.relay(), *past));
        auto letter = co_await explain_letter(engine, what, wanted);
        if (letter.has_error() || *letter) co_return letter;
    }
    auto event = co_await explain_waiting(engine, what, wanted);
    if (event.has_error() || *event) co_return event;
    Found found;
    if (past) {
        found = explain_past(engine.relay(), *past);
    } else if (filtered) {
        found = explain_filtered(engine.relay(), id_in(what), *filtered);
    }
    co_return found;
}

/// Returns what became of the copy in one slot, as far as memory has it.
Found explain_past_copy(const core::Relay& relay, std::string_view id, TokenId token) {
    Found found;
    const auto past = relay.reporting().history().find(id, token);
    const auto filtered = relay.reporting().history().find_filtered(id, token);
    if (past && !(filtered && filtered->at > past->ended)) {
        found = explain_past(relay, *past);
    } else if (filtered) {
        found = explain_filtered(relay, id, *filtered);
    }
    return found;
}

/// Returns what became of the copies in other slots than `shown`, one for each slot that is known
/// to have had one.
asio::awaitable<Result<json::array>> explain_copies(Engine& engine, std::string id, TokenId shown,
                                                    const Wanted& wanted) {
    json::array copies;
    const auto slots = engine.relay().tokens().related_to(shown);
    if (slots.empty()) co_return copies;
    const auto queued = co_await operations::find_copies(engine, id, shown, wanted);
    if (queued.has_error()) co_return queued.error();
    std::vector<std::string> named(1, "id:" + id);
    const auto dead = co_await operations::find_dead_letters(engine, std::move(named), wanted);
    if (dead.has_error()) co_return dead.error();
    const core::Relay& relay = engine.relay();
    const Now now = engine.clock().now();
    for (const TokenId slot : slots) {
        Found found;
        for (const auto& listed : *queued) {
            if (listed.record.token == slot) found = explain_queued(relay, listed, now);
        }
        for (const auto& letter : dead->letters) {
            if (found || letter.replayed || letter.event.token != slot) continue;
            found = explain_dead(relay, letter, now);
        }
        if (!found) found = explain_past_copy(relay, id, slot);
        if (found) copies.push_back(std::move(*found));
    }
    co_return copies;
}

/// Returns the slot of an answer's event, by its label.
TokenId slot_of(const core::Relay& relay, const json::object& answer) {
    const json::value* source = answer.if_contains("source");
    if (source == nullptr || !source->is_string()) return TokenId::none;
    return relay.tokens().find(std::string_view(source->get_string())).value_or(TokenId::none);
}

/// Explains an event; of one that was named by its id, all copies.
asio::awaitable<Asked> explain_event(Engine& engine, std::string what, const Wanted& wanted) {
    auto found = co_await explain_one(engine, what, wanted);
    if (found.has_error() || !*found) co_return found;
    const json::value* seq = (*found)->if_contains("seq");
    if (seq != nullptr && what == json::serialize(*seq)) co_return found;
    std::string id(id_in(what));
    const TokenId slot = slot_of(engine.relay(), **found);
    auto copies = co_await explain_copies(engine, std::move(id), slot, wanted);
    if (copies.has_error()) co_return copies.error();
    // A slot whose token is gone can have the name of another one.
    const json::value shown = seq == nullptr ? json::value() : *seq;
    const auto is_shown = [&shown](const json::value& copy) {
        const json::value* own = copy.get_object().if_contains("seq");
        return own != nullptr && *own == shown;
    };
    copies->erase(std::remove_if(copies->begin(), copies->end(), is_shown), copies->end());
    if (!copies->empty()) (**found)["copies"] = std::move(*copies);
    co_return found;
}

/// What the request names. Empty members were not given.
struct Question {
    std::string of;
    std::string event;
    std::string thread;
    std::string source;
    std::vector<TokenId> tokens;  ///< the slots of `source`
};

/// Adds the other slots of the source's name that still hold events, for example because their
/// token is gone.
void add_others(json::object& out, Engine& engine, const std::string& name, TokenId shown) {
    const core::Relay& relay = engine.relay();
    const Now now = engine.clock().now();
    json::array others;
    for (const TokenId id : relay.tokens().find_all(name)) {
        if (id == shown || relay.lifecycle().queued(id) == 0) continue;
        const core::Token& slot = relay.tokens().at(id);
        json::object other{
            {"slot", core::slot_name(id)},
            {"state", token_state(slot, relay.destination().scheduler().token_status(id))},
            {"queued", relay.lifecycle().queued(id)}};
        add_erasure(other, relay, slot, now.wall);
        others.push_back(std::move(other));
    }
    if (!others.empty()) out["others"] = std::move(others);
}

asio::awaitable<Asked> look_up(Engine& engine, Question question, const Wanted& wanted) {
    if (!question.event.empty()) {
        auto found = co_await explain_event(engine, question.event, wanted);
        co_return found;
    }
    if (!question.thread.empty()) {
        auto found = co_await explain_thread(engine, question.tokens, question.thread, wanted);
        co_return found;
    }
    const std::string& name = question.of.empty() ? question.source : question.of;
    const auto source = engine.relay().tokens().find(name);
    if (source) {
        auto found = co_await explain_source(engine, *source);
        if (found.has_value()) add_others(**found, engine, name, *source);
        co_return found;
    }
    auto thread = co_await explain_thread(engine, question.tokens, question.of, wanted);
    const bool queued = thread.has_value() && *thread && (*thread)->at("kind") == "thread";
    if (thread.has_error() || queued) co_return thread;
    auto event = co_await explain_event(engine, question.of, wanted);
    if (event.has_error() || *event) co_return event;
    co_return thread;
}

}  // namespace

ControlAnswer get_explanation(ControlCall& call) {
    Question question{call.query("of"), call.query("event"), call.query("thread"), {}, {}};
    const std::string source = call.query("source");
    if (!source.empty()) {
        auto tokens = find_sources(call, source);
        if (tokens.has_error()) co_return control_error(tokens.error());
        question.tokens = std::move(*tokens);
        question.source = source;
    }
    const std::string& of = !question.event.empty()    ? question.event
                            : !question.thread.empty() ? question.thread
                                                       : question.of;
    const std::string named = of.empty() ? source : of;
    if (named.empty()) {
        co_return control_error(400, "invalid", "say of what: of, event, thread or source");
    }
    auto found = co_await look_up(call.engine, std::move(question), call.wanted);
    if (found.has_error()) co_return control_error(found.error());
    if (!*found) {
        co_return control_error(404, "not_found",
                                fmt::format("nothing is known of {}: no source, thread or event of "
                                            "that name is queued or dead, nor among the last that "
                                            "have left since the start",
                                            named));
    }
    co_return json_response(**found);
}

}  // namespace flowrelay::runtime
