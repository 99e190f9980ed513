#include "cli/json_members.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/value.hpp>
#include <cmath>
#include <cstdint>

#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

std::optional<double> number_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

std::string count_of(const json::object& object, std::string_view name) {
    const auto value = number_of(object, name);
    return value ? fmt::format("{:.0f}", *value) : "-";
}

std::string counted_of(const json::object& object, std::string_view name, std::string_view what) {
    const std::string count = count_of(object, name);
    return fmt::format("{} {}{}", count, what, count == "1" ? "" : "s");
}

std::string seconds_of(const json::object& object, std::string_view name) {
    const auto value = number_of(object, name);
    return value ? format_seconds(*value) : "";
}

std::string format_seconds(double seconds) {
    const double most = static_cast<double>(max_duration.count());
    double ms = std::clamp(seconds * 1000, 0.0, most);
    if (ms >= 1000) ms -= std::fmod(ms, 1000.0);  // "20s", not "20s317ms"
    return format_duration(Milliseconds(static_cast<std::int64_t>(ms)));
}

std::string format_bytes(double bytes) {
    constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{:.0f} B", bytes)
                     : fmt::format("{:.1f} {}", bytes, units[unit]);
}

}  // namespace flowrelay::cli
