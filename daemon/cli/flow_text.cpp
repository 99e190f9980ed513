#include "cli/flow_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "cli/json_members.hpp"
#include "flowrelay/base/ascii.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

// Formats with as many digits as matter: 0.25, 3.5, 120.
std::string short_rate(double per_second) {
    if (per_second <= 0) return "0/s";
    if (per_second < 1) return fmt::format("{:.2g}/s", per_second);
    return per_second < 10 ? fmt::format("{:.1f}/s", per_second)
                           : fmt::format("{:.0f}/s", per_second);
}

std::string describe_range(const json::object& drained) {
    const double from = number_of(drained, "from_s").value_or(0);
    const auto to = number_of(drained, "to_s");
    if (!to) {
        return fmt::format("in {} at the earliest: at times the queue did not shrink",
                           format_seconds(from));
    }
    if (*to <= from) return fmt::format("in about {} at this rate", format_seconds(from));
    return fmt::format("in {} to {} at this rate", format_seconds(from), format_seconds(*to));
}

}  // namespace

std::string describe_rates(const json::object& status) {
    const json::object* rates = object_of(status, "rates");
    if (rates == nullptr) return {};
    const auto accepted = number_of(*rates, "accepted_per_s");
    const auto left = number_of(*rates, "left_per_s");
    if (!accepted || !left) return {};
    return fmt::format("{} accepted, {} left, over {}", short_rate(*accepted), short_rate(*left),
                       seconds_of(*rates, "over_s"));
}

std::string describe_drained(const json::object& status) {
    const json::object* drained = object_of(status, "drained");
    if (drained == nullptr) return {};
    const std::string state = text_of(*drained, "state");
    const double stuck = number_of(*drained, "stuck").value_or(0);
    std::string text;
    if (state == "drains") {
        text = describe_range(*drained);
        if (stuck > 0) {
            text += fmt::format("; {:.0f} stay, of tokens that wait or are paused", stuck);
        }
    } else if (state == "never") {
        text = "not at this rate: at least as many arrive as leave";
    } else if (state == "held") {
        text = "unknown: nothing can be posted now";
    } else if (state == "unknown") {
        text = "unknown: measured for less than 10s";
    }
    return text;
}

std::string draw_line(std::span<const double> values, bool unicode) {
    static constexpr std::array<std::string_view, 8> blocks{"\u2581", "\u2582", "\u2583", "\u2584",
                                                            "\u2585", "\u2586", "\u2587", "\u2588"};
    static constexpr std::string_view signs = "_.-=+*%#";
    const double most = values.empty() ? 0 : *std::ranges::max_element(values);
    std::string line;
    for (const double value : values) {
        const double share = most > 0 ? std::clamp(value / most, 0.0, 1.0) : 0;
        const auto level = static_cast<std::size_t>(std::ceil(share * (blocks.size() - 1)));
        if (unicode) {
            line += blocks[level];
        } else {
            line += signs[level];
        }
    }
    return line;
}

std::string draw_bar(double share, int width) {
    const double clean = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0;
    int full = static_cast<int>(clean * width);
    if (full == 0 && clean > 0) full = 1;
    const auto signs = static_cast<std::size_t>(full);
    return '[' + std::string(signs, '#') +
           std::string(static_cast<std::size_t>(width) - signs, '.') + ']';
}

bool shows_unicode() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        const std::string small = ascii::lower(std::string_view(value));
        return small.ends_with("utf-8") || small.ends_with("utf8");
    }
    return false;
}

}  // namespace flowrelay::cli
