#include "flowrelay/base/time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace flowrelay {

namespace {

using std::chrono::sys_days;

constexpr WallTime first_time = sys_days(std::chrono::year(0) / 1 / 1);
constexpr WallTime last_time = sys_days(std::chrono::year(10000) / 1 / 1) - Milliseconds(1);

struct Unit {
    std::string_view name;
    std::uint64_t milliseconds;
};

constexpr std::array<Unit, 5> units{{
    {"d", 86'400'000},
    {"h", 3'600'000},
    {"m", 60'000},
    {"s", 1'000},
    {"ms", 1},
}};

}  // namespace

Now SystemClock::now() const {
    return {std::chrono::steady_clock::now(),
            std::chrono::floor<Milliseconds>(std::chrono::system_clock::now())};
}

std::string format_time(WallTime time) {
    const WallTime t = std::clamp(time, first_time, last_time);
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss<Milliseconds> clock(t - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                       clock.subseconds().count());
}

std::string format_duration(Milliseconds duration) {
    const bool negative = duration.count() < 0;
    // Negated as unsigned: the most negative duration has no positive counterpart.
    const auto raw = static_cast<std::uint64_t>(duration.count());
    const std::uint64_t total = negative ? 0 - raw : raw;
    if (total == 0) return "0s";

    std::size_t first = 0;
    while (units[first].milliseconds > total) ++first;
    const Unit& large = units[first];
    std::string text =
        fmt::format("{}{}{}", negative ? "-" : "", total / large.milliseconds, large.name);
    if (first + 1 < units.size()) {
        const Unit& small = units[first + 1];
        const std::uint64_t rest = total % large.milliseconds / small.milliseconds;
        if (rest > 0) text += fmt::format("{}{}", rest, small.name);
    }
    return text;
}

std::optional<Milliseconds> parse_duration(std::string_view text) noexcept {
    if (text == "0") return Milliseconds(0);
    if (text.empty()) return std::nullopt;
    constexpr auto most = static_cast<std::uint64_t>(max_duration.count());
    std::uint64_t total = 0;
    auto unit = units.begin();
    while (!text.empty()) {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc()) return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));

        const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
        unit = std::find_if(unit, units.end(), [name](const Unit& u) { return u.name == name; });
        if (unit == units.end() || number > most / unit->milliseconds) return std::nullopt;
        total += number * unit->milliseconds;
        if (total > most) return std::nullopt;
        text.remove_prefix(name.size());
        ++unit;
    }
    return Milliseconds(static_cast<std::int64_t>(total));
}

}  // namespace flowrelay
