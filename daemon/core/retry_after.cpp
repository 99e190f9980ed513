// Parses Retry-After: a number of seconds, or one of the three date formats of HTTP.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

namespace {

// Longer waits are reduced to this, so that nothing can overflow.
constexpr std::int64_t max_seconds = 100LL * 366 * 86'400;

constexpr std::array<std::string_view, 7> short_days{"Mon", "Tue", "Wed", "Thu",
                                                     "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> long_days{"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                    "Friday", "Saturday", "Sunday"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Date {
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
};

// Each step removes its part from the front and returns whether it was there.
class DateReader {
public:
    explicit DateReader(std::string_view text) noexcept : rest_(text) {}

    bool literal(std::string_view text) noexcept {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }

    bool number(std::size_t digits, unsigned& out) noexcept {
        if (rest_.size() < digits) return false;
        out = 0;
        for (const char c : rest_.substr(0, digits)) {
            if (!ascii::is_digit(c)) return false;
            out = out * 10 + static_cast<unsigned>(c - '0');
        }
        rest_.remove_prefix(digits);
        return true;
    }

    bool year(int& out) noexcept {
        unsigned value = 0;
        if (!number(4, value)) return false;
        out = static_cast<int>(value);
        return true;
    }

    // Returns the index of the name, counted from 1.
    bool name(std::span<const std::string_view> names, unsigned& out) noexcept {
        const auto found = std::ranges::find_if(
            names, [this](std::string_view candidate) { return literal(candidate); });
        out = static_cast<unsigned>(found - names.begin()) + 1;
        return found != names.end();
    }

    bool time(Date& date) noexcept {
        return number(2, date.hour) && literal(":") && number(2, date.minute) && literal(":") &&
               number(2, date.second);
    }

    bool at_end() const noexcept { return rest_.empty(); }

private:
    std::string_view rest_;
};

// "Sun, 06 Nov 1994 08:49:37 GMT"
bool read_imf_fixdate(std::string_view text, Date& date) noexcept {
    DateReader in(text);
    unsigned weekday = 0;
    return in.name(short_days, weekday) && in.literal(", ") && in.number(2, date.day) &&
           in.literal(" ") && in.name(months, date.month) && in.literal(" ") &&
           in.year(date.year) && in.literal(" ") && in.time(date) && in.literal(" GMT") &&
           in.at_end();
}

// "Sunday, 06-Nov-94 08:49:37 GMT"; the year is left as two digits.
bool read_rfc850(std::string_view text, Date& date) noexcept {
    DateReader in(text);
    unsigned weekday = 0;
    unsigned year = 0;
    const bool good = in.name(long_days, weekday) && in.literal(", ") && in.number(2, date.day) &&
                      in.literal("-") && in.name(months, date.month) && in.literal("-") &&
                      in.number(2, year) && in.literal(" ") && in.time(date) &&
                      in.literal(" GMT") && in.at_end();
    date.year = static_cast<int>(year);
    return good;
}

// "Sun Nov  6 08:49:37 1994"
bool read_asctime(std::string_view text, Date& date) noexcept {
    DateReader in(text);
    unsigned weekday = 0;
    if (!(in.name(short_days, weekday) && in.literal(" ") && in.name(months, date.month) &&
          in.literal(" "))) {
        return false;
    }
    const bool day = in.literal(" ") ? in.number(1, date.day) : in.number(2, date.day);
    return day && in.literal(" ") && in.time(date) && in.literal(" ") && in.year(date.year) &&
           in.at_end();
}

std::optional<WallTime> to_time(const Date& date) noexcept {
    const std::chrono::year_month_day day(
        std::chrono::year(date.year), std::chrono::month(date.month), std::chrono::day(date.day));
    // 60: a leap second
    if (!day.ok() || date.hour > 23 || date.minute > 59 || date.second > 60) return std::nullopt;
    return WallTime(std::chrono::sys_days(day)) + std::chrono::hours(date.hour) +
           std::chrono::minutes(date.minute) + Seconds(date.second);
}

// A year of two digits that would be more than 50 years ahead is in the previous century (RFC 9110,
// section 5.6.7).
std::optional<WallTime> to_time_of_nearest_century(Date date, WallTime now) noexcept {
    const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
    const int this_year = static_cast<int>(today.year());
    date.year += this_year - this_year % 100;
    if (date.year > this_year + 50) date.year -= 100;
    return to_time(date);
}

// Rounds fractions of a second up: "28.7" is 29.
std::optional<Milliseconds> read_number(std::string_view text) noexcept {
    std::int64_t seconds = 0;
    const std::size_t point = std::min(text.find('.'), text.size());
    const std::string_view whole = text.substr(0, point);
    const std::string_view part = text.substr(std::min(point + 1, text.size()));
    if (whole.empty() || (point < text.size() && part.empty())) return std::nullopt;
    for (const char c : whole) {
        if (!ascii::is_digit(c)) return std::nullopt;
        seconds = std::min(seconds * 10 + (c - '0'), max_seconds);
    }
    if (!std::ranges::all_of(part, ascii::is_digit)) return std::nullopt;
    if (part.find_first_not_of('0') != std::string_view::npos) ++seconds;
    return Seconds(std::min(seconds, max_seconds));
}

std::optional<WallTime> read_date(std::string_view text, WallTime now) noexcept {
    Date date;
    if (read_imf_fixdate(text, date) || read_asctime(text, date)) return to_time(date);
    if (read_rfc850(text, date)) return to_time_of_nearest_century(date, now);
    return std::nullopt;
}

std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view blanks = " \t";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Returns the length of the first element of a list, which may be a date that contains a comma.
std::size_t first_element(std::string_view list) noexcept {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view name = trim(list.substr(0, comma));
    const auto is_name = [name](std::string_view day) { return day == name; };
    if (!std::ranges::any_of(short_days, is_name) && !std::ranges::any_of(long_days, is_name)) {
        return comma;
    }
    return std::min(list.find(',', std::min(comma + 1, list.size())), list.size());
}

std::optional<Milliseconds> read_element(std::string_view text, WallTime now) noexcept {
    if (ascii::is_digit(text.front())) return read_number(text);
    const std::optional<WallTime> until = read_date(text, now);
    if (!until) return std::nullopt;
    return std::clamp(Milliseconds(*until - now), Milliseconds(0),
                      Milliseconds(Seconds(max_seconds)));
}

}  // namespace

// Intermediaries may join fields, "5, 5": the longest wait counts. Elements may be empty (RFC 9110,
// section 5.6.1.2).
std::optional<Milliseconds> parse_retry_after(std::string_view value, WallTime now) noexcept {
    std::optional<Milliseconds> longest;
    while (!value.empty()) {
        const std::size_t end = first_element(value);
        const std::string_view element = trim(value.substr(0, end));
        value.remove_prefix(std::min(end + 1, value.size()));
        if (element.empty()) continue;
        const auto wait = read_element(element, now);
        if (!wait) return std::nullopt;
        longest = std::max(longest.value_or(*wait), *wait);
    }
    return longest;
}

}  // namespace flowrelay::core
