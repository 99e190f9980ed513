#include "cli/status_text.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "cli/flow_text.hpp"
#include "cli/json_members.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

void add_row(std::string& out, std::string_view name, std::string_view value) {
    out += fmt::format("{:<12}  {}\n", name, value);
}

void add_head(std::string& out, const json::object& status, bool colour) {
    const std::string state = text_of(status, "state");
    std::string line =
        fmt::format("flowrelayd {} is {}", text_of(status, "version"),
                    state == "storage_failed" ? "running, but its disk failed" : state);
    if (const auto uptime = number_of(status, "uptime_s"))
        line += ", up " + format_seconds(*uptime);
    out += line + '\n';
    if (state == "storage_failed") {
        out += "Nothing more is accepted. What was accepted is kept and delivered. See the log.\n";
    }
    const json::value* held = status.if_contains("deliveries_held");
    if (held != nullptr && held->is_bool() && held->get_bool()) {
        out += paint(
            "NOTHING IS POSTED: the spool came from another machine; `flowrelay spool "
            "adopt` if that one is switched off for good",
            Colour::red, colour);
        out += '\n';
    }
    if (const json::object* refusal = object_of(status, "refusal"); refusal != nullptr) {
        out += paint("NO EVENTS ARE ACCEPTED: " + text_of(*refusal, "reason"), Colour::red, colour);
        out += '\n';
    }
}

/// Events with several routes count once for each.
std::string describe_accepted(const json::object& status) {
    std::string line = count_of(status, "accepted");
    const json::object* since = object_of(status, "since_start");
    if (since == nullptr) return line;
    const double events = number_of(*since, "accepted_events").value_or(0);
    const double copies = number_of(*since, "accepted_copies").value_or(events);
    if (copies <= events) return line;
    return line +
           fmt::format(" copies (since the start {:.0f} copies of {:.0f} events)", copies, events);
}

void add_destination(std::string& out, const json::object& status, bool colour) {
    const json::object* found = object_of(status, "destination");
    if (found == nullptr) return;
    const json::object& destination = *found;
    const std::string state = text_of(destination, "state");
    std::string line = fmt::format("{} is {}", text_of(destination, "base_url"),
                                   paint(state, colour_of_state(state), colour));
    if (const auto until = number_of(destination, "until_s")) {
        line += fmt::format(", next try in {}", format_seconds(*until));
    }
    if (const std::string reason = text_of(destination, "reason"); !reason.empty()) {
        line += ": " + reason;
    }
    add_row(out, "destination", line);
}

void add_queue(std::string& out, const json::object& status, bool colour) {
    std::string line = count_of(status, "queued");
    if (number_of(status, "queued").value_or(0) > 0) {
        line +=
            fmt::format(", {} in flight, {} ({} waiting)", count_of(status, "in_flight"),
                        counted_of(status, "lanes", "thread"), count_of(status, "waiting_lanes"));
        if (const auto held = number_of(status, "held_lanes"); held && *held > 0) {
            line += paint(fmt::format(", {:.0f} held for you", *held), Colour::red, colour);
        }
        if (const auto age = number_of(status, "oldest_age_s")) {
            line += fmt::format(", the oldest for {}", format_seconds(*age));
        }
    }
    add_row(out, "queued", line);
    if (const std::string rates = describe_rates(status); !rates.empty())
        add_row(out, "rate", rates);
    if (const std::string drained = describe_drained(status); !drained.empty()) {
        add_row(out, "drained", drained);
    }
}

void add_spool(std::string& out, const json::object& status) {
    const auto files = number_of(status, "spool_bytes");
    const auto limit = number_of(status, "spool_max_bytes");
    if (!files || !limit || *limit <= 0) return;
    // Older daemons report neither the used part of the files nor the free disk space, as in
    // `health`.
    const auto used = number_of(status, "spool_used_bytes");
    const double most = number_of(status, "spool_capacity_bytes").value_or(*limit);
    const double taken = used.value_or(*files);
    std::string line = fmt::format("{} of {} ({:.0f}%)", format_bytes(taken), format_bytes(most),
                                   most > 0 ? taken / most * 100 : 100);
    if (used) line += fmt::format(", in {} of files", format_bytes(*files));
    if (most < *limit) {
        line += fmt::format("; the disk has less than spool.max_size, {}", format_bytes(*limit));
    }
    add_row(out, "spool", line);
}

void add_tokens(std::string& out, const json::object& status, bool colour) {
    const json::array* tokens = array_of(status, "tokens");
    if (tokens == nullptr || tokens->empty()) return;
    Table table{{"TOKEN", "STATE", "QUEUED", "NEXT", "REASON"}, {}, 2, 1};
    for (const json::value& item : *tokens) {
        if (!item.is_object()) continue;
        const json::object& token = item.get_object();
        std::string reason = text_of(token, "reason");
        if (const auto erasure = number_of(token, "erase_in_s")) {
            reason += (reason.empty() ? "erased in " : ", erased in ") + format_seconds(*erasure);
        }
        if (const auto* full = token.if_contains("full");
            full != nullptr && full->is_bool() && full->get_bool()) {
            reason += reason.empty() ? "" : "; ";
            reason += "spool.max_events_per_token is reached, its events are refused";
        }
        table.rows.push_back({text_of(token, "name"), text_of(token, "state"),
                              count_of(token, "queued"), seconds_of(token, "until_s"),
                              std::move(reason)});
    }
    out += '\n' + format_table(table, colour);
    if (const auto left_out = number_of(status, "tokens_left_out")) {
        out += fmt::format("and {:.0f} more: `flowrelay source list` has them all\n", *left_out);
    }
}

}  // namespace

Result<std::string> format_status(std::string_view json_text, bool colour) {
    const auto parsed = parse_object(json_text);
    if (!parsed) return parsed.error();
    const json::object& status = *parsed;
    std::string out;
    add_head(out, status, colour);
    add_destination(out, status, colour);
    out += '\n';
    add_row(out, "accepted", describe_accepted(status));
    add_row(out, "delivered", count_of(status, "delivered"));
    add_queue(out, status, colour);
    std::string dead = count_of(status, "dead");
    if (number_of(status, "dead_letters").value_or(0) > 0) {
        dead += fmt::format(" ({} kept)", counted_of(status, "dead_letters", "dead letter"));
    }
    const json::value* full = status.if_contains("dead_letters_full");
    const bool is_full = full != nullptr && full->is_bool() && full->get_bool();
    if (number_of(status, "dead_letters_unwritten").value_or(0) > 0) {
        dead += fmt::format(", {} not on the disk yet: their threads wait",
                            counted_of(status, "dead_letters_unwritten", "dead letter"));
    }
    const double missing = number_of(status, "dead_letters_missing").value_or(0);
    if (missing > 0) {
        dead += fmt::format(", {} MISSING from their file",
                            counted_of(status, "dead_letters_missing", "dead letter"));
    }
    if (is_full) dead += ", FULL: refused events hold their threads, nothing expires";
    add_row(out, "dead", paint(dead, is_full || missing > 0 ? Colour::red : Colour::none, colour));
    for (const char* name : {"expired", "erased", "dropped"}) {
        add_row(out, name, count_of(status, name));
    }
    if (number_of(status, "lost").value_or(0) > 0) {
        std::string lost = count_of(status, "lost");
        if (const json::object* last = object_of(status, "lost_booked")) {
            lost += fmt::format(" (booked as lost, the last time by uid {} at {})",
                                count_of(*last, "uid"), text_of(*last, "at"));
        }
        add_row(out, "lost", lost);
    }
    const bool wrong = number_of(status, "unaccounted").value_or(0) != 0;
    add_row(out, "unaccounted",
            paint(count_of(status, "unaccounted"), wrong ? Colour::red : Colour::none, colour));
    add_spool(out, status);
    add_tokens(out, status, colour);
    return out;
}

}  // namespace flowrelay::cli
