#include "cli/top_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <vector>

#include "cli/flow_text.hpp"
#include "cli/json_members.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

std::string cut(std::string text, int columns) {
    std::size_t end = 0;
    for (int column = 0; end < text.size(); ++end) {
        const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
        if (begins && column++ == columns) break;
    }
    text.resize(end);
    return text;
}

std::string rate(double now, double before, double seconds) {
    if (seconds <= 0) return "-";
    return fmt::format("{:.0f}/s", std::max(0.0, now - before) / seconds);
}

struct TopLine {
    std::string text;
    std::string state;  ///< determines the colour; empty: none
};

void add_tokens(std::vector<TopLine>& lines, const json::object& status) {
    const json::array* tokens = array_of(status, "tokens");
    if (tokens == nullptr) return;
    std::vector<const json::object*> shown;
    for (const json::value& item : *tokens) {
        if (item.is_object()) shown.push_back(&item.get_object());
    }
    // Sources with the longest queues matter most.
    std::ranges::stable_sort(shown, [](const json::object* a, const json::object* b) {
        return number_of(*a, "queued").value_or(0) > number_of(*b, "queued").value_or(0);
    });
    lines.push_back({fmt::format("{:<24} {:<10} {:>10}  {:<8} {}", "TOKEN", "STATE", "QUEUED",
                                 "NEXT", "REASON"),
                     "head"});
    for (const auto* token : shown) {
        const std::string state = text_of(*token, "state");
        lines.push_back(
            {fmt::format("{:<24} {:<10} {:>10}  {:<8} {}", cut(text_of(*token, "name"), 24), state,
                         count_of(*token, "queued"), seconds_of(*token, "until_s"),
                         text_of(*token, "reason")),
             state == "active" ? "" : state});
    }
}

// Computes the rates between successive samples.
template <class Member>
std::vector<double> rates_of(std::span<const TopSample> samples, Member member) {
    std::vector<double> rates;
    for (std::size_t i = 1; i < samples.size(); ++i) {
        const double seconds = samples[i].at_s - samples[i - 1].at_s;
        const double more = samples[i].*member - samples[i - 1].*member;
        rates.push_back(seconds > 0 ? std::max(0.0, more) / seconds : 0);
    }
    return rates;
}

void add_chart(std::vector<TopLine>& lines, std::string_view name, const std::vector<double>& rates,
               const TopPicture& picture) {
    if (rates.empty()) return;
    lines.push_back({fmt::format("{:<10} {} most {:.0f}/s", name, draw_line(rates, picture.unicode),
                                 *std::ranges::max_element(rates)),
                     ""});
}

void add_charts(std::vector<TopLine>& lines, const json::object& status, const TopSample& now,
                std::span<const TopSample> seen, const TopPicture& picture) {
    constexpr std::size_t shown = 60;
    std::vector<TopSample> samples(
        seen.end() - static_cast<std::ptrdiff_t>(std::min(shown, seen.size())), seen.end());
    samples.push_back(now);
    add_chart(lines, "accepted", rates_of(samples, &TopSample::accepted), picture);
    add_chart(lines, "delivered", rates_of(samples, &TopSample::delivered), picture);
    const auto used = number_of(status, "spool_used_bytes");
    const auto most = number_of(status, "spool_capacity_bytes");
    if (!used || !most || *most <= 0) return;
    lines.push_back({fmt::format("{:<10} {} {:.0f}% of {}", "spool", draw_bar(*used / *most, 40),
                                 *used / *most * 100, format_bytes(*most)),
                     ""});
}

}  // namespace

TopSample take_sample(const json::object& status, double at_s) {
    TopSample sample;
    sample.at_s = at_s;
    sample.accepted = number_of(status, "accepted").value_or(0);
    sample.delivered = number_of(status, "delivered").value_or(0);
    if (const auto* since = object_of(status, "since_start")) {
        sample.attempts = number_of(*since, "attempts").value_or(0);
        sample.retried = number_of(*since, "retried").value_or(0);
    }
    return sample;
}

std::string render_top(const json::object& status, const TopSample& now,
                       std::span<const TopSample> seen, const TopPicture& picture) {
    const TopSample last = seen.empty() ? now : seen.back();
    const double seconds = now.at_s - last.at_s;
    std::vector<TopLine> lines;
    const std::string state = text_of(status, "state");
    lines.push_back({fmt::format("flowrelayd {} is {}, up {}", text_of(status, "version"), state,
                                 seconds_of(status, "uptime_s")),
                     state});
    if (const auto* destination = object_of(status, "destination")) {
        const std::string is = text_of(*destination, "state");
        std::string text = fmt::format("{} is {}, {}", text_of(*destination, "base_url"), is,
                                       counted_of(*destination, "connections", "connection"));
        const std::string until = seconds_of(*destination, "until_s");
        if (!until.empty()) text += ", next try in " + until;
        const std::string reason = text_of(*destination, "reason");
        if (!reason.empty()) text += ": " + reason;
        lines.push_back({std::move(text), is});
    }
    const std::string oldest = seconds_of(status, "oldest_age_s");
    lines.push_back(
        {fmt::format("queued {}, in flight {}, threads {} ({} waiting, {} held), oldest {}",
                     count_of(status, "queued"), count_of(status, "in_flight"),
                     count_of(status, "lanes"), count_of(status, "waiting_lanes"),
                     count_of(status, "held_lanes"), oldest.empty() ? "-" : oldest),
         ""});
    lines.push_back({fmt::format("accepted {}, delivered {}, attempts {}, retried {}",
                                 rate(now.accepted, last.accepted, seconds),
                                 rate(now.delivered, last.delivered, seconds),
                                 rate(now.attempts, last.attempts, seconds),
                                 rate(now.retried, last.retried, seconds)),
                     ""});
    if (const std::string drained = describe_drained(status); !drained.empty()) {
        lines.push_back({"drained " + drained, ""});
    }
    add_charts(lines, status, now, seen, picture);
    const bool lost = number_of(status, "unaccounted").value_or(0) != 0;
    lines.push_back({fmt::format("dead letters {}, expired {}, erased {}, dropped {}, "
                                 "unaccounted {}",
                                 count_of(status, "dead_letters"), count_of(status, "expired"),
                                 count_of(status, "erased"), count_of(status, "dropped"),
                                 count_of(status, "unaccounted")),
                     lost ? "dead" : ""});
    lines.push_back({"", ""});
    add_tokens(lines, status);
    const auto rows = static_cast<std::size_t>(picture.rows);
    if (lines.size() > rows) lines.resize(rows);
    std::string out;
    for (const TopLine& line : lines) {
        Colour wanted = Colour::none;
        if (line.state == "head") {
            wanted = Colour::bold;
        } else if (!line.state.empty()) {
            wanted = colour_of_state(line.state);
        }
        out += paint(cut(line.text, picture.columns), wanted, picture.colour) + '\n';
    }
    return out;
}

}  // namespace flowrelay::cli
