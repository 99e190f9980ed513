#include "cli/spool_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <iterator>
#include <string_view>
#include <vector>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::cli {

namespace {

using app::counted;
using storage::SpoolDamage;
using storage::SpoolFile;
using storage::SpoolQueue;
using storage::SpoolReport;
using Kind = SpoolFile::Kind;
using State = core::TokenEntry::State;

std::string_view name_of(const std::optional<State>& state) {
    if (!state) return "unknown";
    switch (*state) {
        case State::active:
            return "active";
        case State::gone:
            return "gone";
        case State::erased:
            return "erased";
        case State::removed:
        case State::forgotten:
            return "removed";
        case State::paused:
            break;
    }
    return "paused";
}

std::string contents(const SpoolFile& file) {
    switch (file.kind) {
        case Kind::segment:
            return fmt::format("{}, {} of them queued; {}", counted(file.events, "event"),
                               file.queued, counted(file.outcomes, "outcome"));
        case Kind::index:
            return fmt::format("index of {}", counted(file.events, "event"));
        case Kind::spare:
            return "space held ready";
        case Kind::registry:
            return counted(file.entries, "token");
        case Kind::dead_letters:
            return counted(file.entries, "letter");
        case Kind::known_ids:
            return counted(file.entries, "id");
        case Kind::quarantined:
        case Kind::leftover:
        case Kind::foreign:
            break;
    }
    return "";
}

void add_files(std::string& out, const SpoolReport& report) {
    std::size_t name_width = 0;
    std::size_t size_width = 0;
    for (const SpoolFile& file : report.files) {
        name_width = std::max(name_width, file.name.size());
        size_width = std::max(size_width, fmt::formatted_size("{}", file.bytes));
    }
    for (const SpoolFile& file : report.files) {
        const bool damaged =
            std::ranges::find(report.damage, file.name, &SpoolDamage::file) != report.damage.end();
        std::string text = contents(file);
        if (damaged) text = text.empty() ? "DAMAGED" : "DAMAGED; " + text;
        if (!file.note.empty()) text += (text.empty() ? "" : "; ") + file.note;
        fmt::format_to(std::back_inserter(out), "{:<{}}  {:>{}}  {}\n", app::printable(file.name),
                       name_width, file.bytes, size_width, text);
    }
    out += '\n';
}

void add_damage(std::string& out, const SpoolReport& report) {
    if (report.damage.empty()) return;
    out += "Damage:\n";
    for (const SpoolDamage& damage : report.damage) {
        out += "  " + app::printable(damage.file);
        if (damage.offset) {
            fmt::format_to(std::back_inserter(out), " at offset {}, {}", *damage.offset,
                           counted(damage.bytes, "byte"));
        }
        fmt::format_to(std::back_inserter(out), ": {}", damage.reason);
        if (damage.missing > 0) {
            fmt::format_to(std::back_inserter(out), " ({} missing)",
                           counted(damage.missing, "event"));
        }
        out += '\n';
    }
    out += '\n';
}

std::string source_of(const SpoolQueue& queue) {
    if (!queue.state) return "(not in the registry)";
    return queue.source.empty() ? "(a flow_token of its own)" : app::printable(queue.source);
}

void add_queues(std::string& out, const SpoolReport& report, WallTime now) {
    if (report.queued == 0) {
        out += "Queued: nothing\n";
        return;
    }
    fmt::format_to(std::back_inserter(out), "Queued: {}, the oldest accepted {} ({} ago)\n",
                   counted(report.queued, "event"), format_time(report.oldest),
                   format_duration(std::max(now - report.oldest, Milliseconds(0))));
    std::size_t width = 0;
    for (const SpoolQueue& queue : report.queues) {
        width = std::max(width, source_of(queue).size());
    }
    for (const SpoolQueue& queue : report.queues) {
        fmt::format_to(std::back_inserter(out), "  token {:<4} {:<{}}  {}, oldest {}{}\n",
                       to_number(queue.token), source_of(queue), width,
                       counted(queue.events, "event"), format_time(queue.oldest),
                       queue.state && queue.state != State::active
                           ? fmt::format(", {}", name_of(queue.state))
                           : "");
    }
}

void add_books(std::string& out, const SpoolReport& report) {
    const core::Ledger& books = report.ledger;
    fmt::format_to(
        std::back_inserter(out),
        "Dead letters: {}{}\n"
        "Books: {} accepted = {} delivered + {} queued + {} dead + {} expired + {} "
        "erased + {} dropped + {} lost; {} unaccounted\n"
        "On disk: {} in {}\n",
        report.letters,
        report.missing_letters > 0 ? fmt::format(", {} missing", report.missing_letters) : "",
        books.accepted, books.delivered, report.queued, books.dead, books.expired, books.erased,
        books.dropped, books.lost, report.unaccounted(), counted(report.bytes, "byte"),
        counted(report.files.size(), "file"));
}

void add_returned(std::string& out, const SpoolReport& report) {
    const auto are = [](std::uint64_t count) { return count == 1 ? "is" : "are"; };
    if (const std::uint64_t lost = report.returned.lost; lost > 0) {
        fmt::format_to(std::back_inserter(out),
                       "Found again: {} that had been booked as lost {} there, as in a file that "
                       "was put back; the next start takes {} out of the lost ones and delivers "
                       "{}\n",
                       counted(lost, "event"), are(lost), lost == 1 ? "it" : "them",
                       lost == 1 ? "it" : "them");
    }
    if (const std::uint64_t uncounted = report.returned.uncounted; uncounted > 0) {
        fmt::format_to(std::back_inserter(out),
                       "Found: {} that the books had not counted {} there, as in a file that was "
                       "put back; the next start counts {} as accepted and delivers {}\n",
                       counted(uncounted, "event"), are(uncounted), uncounted == 1 ? "it" : "them",
                       uncounted == 1 ? "it" : "them");
    }
    if (const std::uint64_t settled = report.returned.settled; settled > 0) {
        fmt::format_to(std::back_inserter(out),
                       "Queued again: {} whose outcomes are lost; what had been delivered of {} is "
                       "delivered a second time, with the same uuid\n",
                       counted(settled, "event"), settled == 1 ? "it" : "them");
    }
}

void add_verdict(std::string& out, const SpoolReport& report) {
    if (report.damage.empty()) {
        out += "Result: whole, nothing is damaged\n";
        return;
    }
    std::string lost = counted(report.lost, "event") + " lost";
    if (report.ledger.lost > 0) {
        lost += fmt::format(" beside {} that {} booked as lost", report.ledger.lost,
                            report.ledger.lost == 1 ? "is" : "are");
    }
    if (report.missing_letters > 0) {
        lost += ", " + counted(report.missing_letters, "dead letter") + " missing";
    }
    fmt::format_to(std::back_inserter(out), "Result: DAMAGED in {}, {}; nothing was changed\n",
                   counted(report.damage.size(), "place"),
                   report.lost_is_known ? lost
                   : report.lost > 0    ? "at least " + lost
                                        : "events may be lost");
}

boost::json::object json_of(const SpoolFile& file) {
    boost::json::object object{{"type", "file"},
                               {"file", repair_utf8(file.name)},
                               {"kind", storage::to_string(file.kind)},
                               {"bytes", file.bytes}};
    if (file.kind == Kind::segment) {
        object["events"] = file.events;
        object["queued"] = file.queued;
        object["outcomes"] = file.outcomes;
    } else if (file.kind == Kind::index) {
        object["events"] = file.events;
    } else if (file.kind == Kind::registry || file.kind == Kind::dead_letters) {
        object["entries"] = file.entries;
    }
    if (!file.note.empty()) object["note"] = file.note;
    return object;
}

boost::json::object json_of(const SpoolDamage& damage) {
    boost::json::object object{{"type", "damage"}, {"file", repair_utf8(damage.file)}};
    if (damage.offset) object["offset"] = *damage.offset;
    object["bytes"] = damage.bytes;
    object["missing"] = damage.missing;
    object["reason"] = damage.reason;
    return object;
}

boost::json::object json_of(const SpoolQueue& queue) {
    boost::json::object object{
        {"type", "token"}, {"token", to_number(queue.token)}, {"state", name_of(queue.state)}};
    if (!queue.source.empty()) object["source"] = repair_utf8(queue.source);
    object["queued"] = queue.events;
    object["bytes"] = queue.bytes;
    object["first_seq"] = to_number(queue.first);
    object["oldest"] = format_time(queue.oldest);
    return object;
}

boost::json::object summary_of(const SpoolReport& report) {
    const core::Ledger& books = report.ledger;
    boost::json::object object{{"type", "summary"},
                               {"damaged", report.damage.size()},
                               {"lost", report.lost},
                               {"files", report.files.size()},
                               {"bytes", report.bytes},
                               {"accepted", books.accepted},
                               {"delivered", books.delivered},
                               {"queued", report.queued},
                               {"dead", books.dead},
                               {"expired", books.expired},
                               {"erased", books.erased},
                               {"dropped", books.dropped},
                               {"booked_lost", books.lost},
                               {"unaccounted", report.unaccounted()},
                               {"found_again", report.returned.lost},
                               {"queued_again", report.returned.settled},
                               {"found_uncounted", report.returned.uncounted},
                               {"dead_letters", report.letters},
                               {"dead_letters_missing", report.missing_letters}};
    if (report.queued > 0) object["oldest"] = format_time(report.oldest);
    return object;
}

}  // namespace

std::string format_spool_report(const SpoolReport& report, WallTime now, bool quiet) {
    std::string out;
    if (!quiet) add_files(out, report);
    add_damage(out, report);
    add_queues(out, report, now);
    add_returned(out, report);
    add_books(out, report);
    add_verdict(out, report);
    return out;
}

std::string format_spool_json(const SpoolReport& report) {
    std::string out;
    const auto add = [&out](const boost::json::object& object) {
        out += boost::json::serialize(object) + '\n';
    };
    for (const SpoolFile& file : report.files) add(json_of(file));
    for (const SpoolDamage& damage : report.damage) add(json_of(damage));
    for (const SpoolQueue& queue : report.queues) add(json_of(queue));
    add(summary_of(report));
    return out;
}

}  // namespace flowrelay::cli
