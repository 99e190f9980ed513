#include "cli/operator_text.hpp"

#include <fmt/format.h>
#include <pwd.h>
#include <sys/types.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "cli/json_members.hpp"
#include "cli/terminal.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_cell = 40;

/// Shortens a text from outside for a table.
std::string cell(const json::object& object, std::string_view name,
                 std::size_t longest = longest_cell) {
    std::string text = text_of(object, name);
    if (text.size() <= longest) return text;
    std::size_t end = longest - 3;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text.resize(end);
    return text + "...";
}

/// Returns "3m20s", or "now" for a wait that is over.
std::string wait_text(const json::object& object, std::string_view name) {
    const auto wait = number_of(object, name);
    if (!wait) return {};
    return *wait <= 0 ? "now" : "in " + format_seconds(*wait);
}

void add_line(std::string& out, std::string_view name, std::string_view value) {
    if (!value.empty()) out += fmt::format("{:<10}  {}\n", name, value);
}

std::string producer_text(const json::object& event) {
    const json::object* producer = object_of(event, "producer");
    if (producer == nullptr) return {};
    std::string text =
        fmt::format("uid {}, pid {}", count_of(*producer, "uid"), count_of(*producer, "pid"));
    const auto uid = number_of(*producer, "uid");
    if (const passwd* user = uid ? ::getpwuid(static_cast<uid_t>(*uid)) : nullptr) {
        text = app::printable(user->pw_name) + ", " + text;
    }
    const std::string unit = text_of(*producer, "unit");
    return unit.empty() ? text : text + ", " + unit;
}

void add_chain(std::string& out, const json::object& answer, bool colour) {
    const json::array* chain = array_of(answer, "chain");
    if (chain == nullptr) return;
    Table table{{}, {}, -1, 1};
    bool is_behind = false;
    for (const json::value& item : *chain) {
        if (!item.is_object()) continue;
        const auto& link = item.get_object();
        const std::string cause = text_of(link, "cause");
        is_behind = is_behind || cause == "stored" || cause.starts_with("behind");
        table.rows.push_back({"", cause, text_of(link, "text")});
    }
    out += format_table(table, colour);
    const auto wait = number_of(answer, "earliest_s");
    if (!wait) {
        out += "next attempt: not until an operator acts\n";
    } else {
        const std::string when = *wait > 0   ? format_seconds(*wait) + " from now at the earliest"
                                 : is_behind ? "after the earlier events of its thread"
                                             : "at any moment";
        out += fmt::format("next attempt: {}\n", when);
    }
}

void add_history(std::string& out, const json::object& answer) {
    const json::array* history = array_of(answer, "history");
    const auto forgotten = number_of(answer, "attempts_forgotten");
    if ((history == nullptr || history->empty()) && !forgotten) return;
    out += "attempts:\n";
    if (forgotten) out += fmt::format("  {:.0f} that are not remembered any more\n", *forgotten);
    for (const json::value& item : *history) {
        if (!item.is_object()) continue;
        const auto& attempt = item.get_object();
        out += fmt::format("  {:>3}  {}  {}\n", count_of(attempt, "attempt"),
                           text_of(attempt, "at"), text_of(attempt, "reason"));
    }
}

/// Returns "event 4711 (0197…) of ci, thread build-42, accepted 2026-… (3m20s ago)".
std::string head_line(const json::object& event) {
    std::string line = fmt::format("event {}", count_of(event, "seq"));
    const std::string id = text_of(event, "id");
    if (!id.empty()) line += fmt::format(" ({})", id);
    line += fmt::format(" of {}", text_of(event, "source"));
    const std::string thread = text_of(event, "thread");
    if (!thread.empty()) line += ", thread " + thread;
    line += ", accepted " + text_of(event, "accepted");
    const std::string age = seconds_of(event, "age_s");
    if (!age.empty()) line += fmt::format(" ({} ago)", age);
    return line;
}

/// Explains why the contents of an event can't be read any more, and what to do.
void add_unreadable(std::string& out, const json::object& event) {
    const std::string why = text_of(event, "unreadable");
    if (why.empty()) return;
    out += fmt::format(
        "its contents can't be read: {}\n"
        "  if they are damaged, it becomes a dead letter without them at its turn; if the disk "
        "can't read them now, it is tried again; `flowrelay queue drop {} --yes` removes it "
        "before\n",
        why, count_of(event, "seq"));
}

/// Other copies of the event: a source with several routes has one for each.
void add_copies(std::string& out, const json::object& event) {
    const json::array* copies = array_of(event, "copies");
    if (copies == nullptr) return;
    for (const json::value& item : *copies) {
        if (!item.is_object()) continue;
        const json::object& copy = item.get_object();
        std::string state = text_of(copy, "state");
        if (state.empty()) state = text_of(copy, "outcome");
        out += fmt::format("also for {}: {}", text_of(copy, "source"), state);
        const std::string seq = count_of(copy, "seq");
        if (copy.contains("seq")) out += fmt::format(" (event {})", seq);
        const std::string text = text_of(copy, "text");
        if (!text.empty()) out += fmt::format("; it {}", text);
        const std::string reason = text_of(copy, "reason");
        if (!reason.empty()) out += fmt::format("; because: {}", reason);
        out += '\n';
    }
}

std::string body_text(const json::object& event) {
    const json::value* body = event.if_contains("body");
    if (body == nullptr || !body->is_object()) return {};
    std::string out;
    for (const auto& [name, value] : body->get_object()) {
        out +=
            fmt::format("  {}: {}\n", app::printable(name), app::printable(json::serialize(value)));
    }
    return out;
}

}  // namespace

std::string format_events(const std::vector<json::object>& events, bool colour) {
    Table table{{"SEQ", "AGE", "SOURCE", "THREAD", "TRIES", "STATE", "NEXT", "ID"}, {}, 0, 5};
    for (const auto& event : events) {
        table.rows.push_back({count_of(event, "seq"), seconds_of(event, "age_s"),
                              cell(event, "source"), cell(event, "thread"),
                              count_of(event, "attempts"), text_of(event, "state"),
                              wait_text(event, "earliest_s"), cell(event, "id")});
    }
    return format_table(table, colour);
}

std::string format_dead(const std::vector<json::object>& letters, bool colour) {
    Table table{{"SEQ", "DIED", "SOURCE", "THREAD", "WHY", "STATUS", "ID", "REASON"}, {}, 0, 4};
    for (const auto& letter : letters) {
        table.rows.push_back({count_of(letter, "seq"), text_of(letter, "died"),
                              cell(letter, "source"), cell(letter, "thread"),
                              letter.contains("replayed") ? "replayed" : text_of(letter, "outcome"),
                              count_of(letter, "status"), cell(letter, "id"),
                              cell(letter, "reason", 80)});
    }
    return format_table(table, colour);
}

std::string format_sources(const std::vector<json::object>& sources, bool colour) {
    Table table{{"NAME", "KIND", "STATE", "QUEUED", "NEXT", "FLOW", "REASON"}, {}, 3, 2};
    for (const auto& source : sources) {
        std::string reason = text_of(source, "reason");
        if (const auto erasure = number_of(source, "erase_in_s")) {
            reason += (reason.empty() ? "erased in " : ", erased in ") + format_seconds(*erasure);
        } else if (const std::string at = text_of(source, "erased_at"); !at.empty()) {
            reason = "erased at " + at;
        }
        const json::object* lives = object_of(source, "flow_source");
        table.rows.push_back(
            {text_of(source, "name"), text_of(source, "kind"), text_of(source, "state"),
             count_of(source, "queued"), wait_text(source, "until_s"),
             lives == nullptr ? std::string() : cell(*lives, "flow"), std::move(reason)});
    }
    return format_table(table, colour);
}

std::string format_event(const json::object& event, bool colour) {
    std::string out;
    add_line(out, "seq", count_of(event, "seq"));
    for (const char* name :
         {"id", "source", "thread", "accepted", "expires", "state", "outcome", "died", "reason"}) {
        add_line(out, name, text_of(event, name));
    }
    if (event.contains("status")) add_line(out, "status", count_of(event, "status"));
    if (event.contains("attempts")) add_line(out, "attempts", count_of(event, "attempts"));
    add_line(out, "producer", producer_text(event));
    add_unreadable(out, event);
    if (const auto* errors = event.if_contains("errors")) {
        add_line(out, "errors", app::printable(json::serialize(*errors)));
    }
    if (event.contains("chain")) {
        out += "why it waits:\n";
        add_chain(out, event, colour);
    }
    add_copies(out, event);
    const std::string body = body_text(event);
    if (!body.empty()) out += "contents:\n" + body;
    return out;
}

std::string format_explanation(const json::object& answer, bool colour) {
    const std::string kind = text_of(answer, "kind");
    std::string out;
    if (kind == "source") {
        const std::string state = text_of(answer, "state");
        const std::string queued = count_of(answer, "queued");
        out = fmt::format("source {} is {}, with {} queued\n", text_of(answer, "source"),
                          paint(state, colour_of_state(state), colour),
                          counted_of(answer, "queued", "event"));
        if (const auto* others = array_of(answer, "others")) {
            for (const json::value& item : *others) {
                if (!item.is_object()) continue;
                const auto& other = item.get_object();
                const std::string left = seconds_of(other, "erase_in_s");
                out += fmt::format("also {}, of the same name: {}, with {} queued{}\n",
                                   text_of(other, "slot"), text_of(other, "state"),
                                   counted_of(other, "queued", "event"),
                                   left.empty() ? "" : ", erased in " + left);
            }
        }
        if (queued == "0" && state == "active") return out;  // nothing to explain
        if (const auto* oldest = object_of(answer, "oldest")) {
            out += fmt::format("the oldest is {}\n", head_line(*oldest));
        }
    } else if (kind == "thread") {
        out = fmt::format("the first of thread {} is {}\n", text_of(answer, "thread"),
                          head_line(answer));
    } else if (kind == "filtered") {
        out = fmt::format("event {} of {}\n", text_of(answer, "id"), text_of(answer, "source"));
    } else {
        out = head_line(answer) + '\n';
    }
    const std::string text = text_of(answer, "text");
    if (!text.empty()) out += fmt::format("  it {}\n", text);
    const std::string reason = text_of(answer, "reason");
    if (!reason.empty()) out += fmt::format("  because: {}\n", reason);
    add_unreadable(out, answer);
    add_chain(out, answer, colour);
    add_history(out, answer);
    add_copies(out, answer);
    return out;
}

}  // namespace flowrelay::cli
