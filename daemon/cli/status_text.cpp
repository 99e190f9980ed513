#include "cli/status_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

const json::value* find(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value != nullptr && !value->is_null() ? value : nullptr;
}

/// Empty when it is not there.
std::string text(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    return value != nullptr && value->is_string() ? app::printable(value->get_string()) : "";
}

std::optional<double> number(const json::object& object, std::string_view name) {
    const json::value* value = find(object, name);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

std::string count(const json::object& object, std::string_view name) {
    const auto value = number(object, name);
    return value ? fmt::format("{:.0f}", *value) : "-";
}

std::string seconds(double value) {
    const double most = static_cast<double>(max_duration.count());
    return format_duration(
        Milliseconds(static_cast<std::int64_t>(std::clamp(value * 1000, 0.0, most))));
}

std::string size(double bytes) {
    constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} B", bytes)
                     : fmt::format("{:.1f} {}", bytes, units[unit]);
}

void add_row(std::string& out, std::string_view name, std::string_view value) {
    out += fmt::format("{:<12}  {}\n", name, value);
}

void add_head(std::string& out, const json::object& status) {
    const std::string state = text(status, "state");
    std::string line =
        fmt::format("flowrelayd {} is {}", text(status, "version"),
                    state == "storage_failed" ? "running, but its disk failed" : state);
    if (const auto uptime = number(status, "uptime_s")) line += ", up " + seconds(*uptime);
    out += line + '\n';
    if (state == "storage_failed") {
        out += "Nothing more is accepted. What was accepted is kept and delivered. See the log.\n";
    }
}

void add_destination(std::string& out, const json::object& status) {
    const json::value* value = find(status, "destination");
    if (value == nullptr || !value->is_object()) return;
    const json::object& destination = value->get_object();
    std::string line =
        fmt::format("{} is {}", text(destination, "base_url"), text(destination, "state"));
    if (const auto until = number(destination, "until_s")) {
        line += fmt::format(", next try in {}", seconds(*until));
    }
    if (const std::string reason = text(destination, "reason"); !reason.empty()) {
        line += ": " + reason;
    }
    add_row(out, "destination", line);
}

void add_queue(std::string& out, const json::object& status) {
    std::string line = count(status, "queued");
    if (number(status, "queued").value_or(0) > 0) {
        line += fmt::format(", {} in flight, {} threads ({} waiting)", count(status, "in_flight"),
                            count(status, "lanes"), count(status, "waiting_lanes"));
        if (const auto age = number(status, "oldest_age_s")) {
            line += fmt::format(", the oldest for {}", seconds(*age));
        }
    }
    add_row(out, "queued", line);
}

void add_spool(std::string& out, const json::object& status) {
    const auto used = number(status, "spool_bytes");
    const auto most = number(status, "spool_max_bytes");
    if (!used || !most || *most <= 0) return;
    add_row(out, "spool",
            fmt::format("{} of {} ({:.0f}%)", size(*used), size(*most), *used / *most * 100));
}

using Row = std::array<std::string, 4>;

void add_tokens(std::string& out, const json::object& status) {
    const json::value* value = find(status, "tokens");
    if (value == nullptr || !value->is_array() || value->get_array().empty()) return;
    std::vector<Row> rows{{"TOKEN", "STATE", "QUEUED", "REASON"}};
    for (const json::value& item : value->get_array()) {
        if (!item.is_object()) continue;
        const json::object& token = item.get_object();
        rows.push_back({text(token, "name"), text(token, "state"), count(token, "queued"),
                        text(token, "reason")});
    }
    std::array<std::size_t, 3> widths{};
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < widths.size(); ++i) {
            widths[i] = std::max(widths[i], row[i].size());
        }
    }
    out += '\n';
    for (const Row& row : rows) {
        std::string line = fmt::format("{:<{}}  {:<{}}  {:>{}}  {}", row[0], widths[0], row[1],
                                       widths[1], row[2], widths[2], row[3]);
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + '\n';
    }
}

}  // namespace

Result<std::string> format_status(std::string_view json_text) {
    boost::system::error_code error;
    const json::value parsed = json::parse(json_text, error);
    if (error || !parsed.is_object()) {
        return Error{make_error_code(boost::system::errc::protocol_error),
                     "what came back is not the state of flowrelayd; is this the right socket?"};
    }
    const json::object& status = parsed.get_object();
    std::string out;
    add_head(out, status);
    add_destination(out, status);
    out += '\n';
    add_row(out, "accepted", count(status, "accepted"));
    add_row(out, "delivered", count(status, "delivered"));
    add_queue(out, status);
    std::string dead = count(status, "dead");
    if (number(status, "dead_letters").value_or(0) > 0) {
        dead += fmt::format(" ({} kept as dead letters)", count(status, "dead_letters"));
    }
    add_row(out, "dead", dead);
    for (const char* name : {"expired", "erased", "dropped", "unaccounted"}) {
        add_row(out, name, count(status, name));
    }
    add_spool(out, status);
    add_tokens(out, status);
    return out;
}

}  // namespace flowrelay::cli
