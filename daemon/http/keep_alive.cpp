#include "flowrelay/http/keep_alive.hpp"

#include <algorithm>
#include <cstdint>

#include "flowrelay/base/number.hpp"
#include "head.hpp"

namespace flowrelay::http {

namespace {

constexpr std::string_view spaces = " \t";

std::string_view trim(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(spaces), text.size());
    text.remove_prefix(begin);
    return text.substr(0, text.find_last_not_of(spaces) + 1);
}

}  // namespace

Milliseconds keep_alive_time(std::string_view field, Milliseconds most) {
    constexpr std::string_view name = "timeout=";
    while (!field.empty()) {
        const std::size_t end = std::min(field.find(','), field.size());
        const std::string_view parameter = trim(field.substr(0, end));
        field.remove_prefix(std::min(end + 1, field.size()));
        if (!iequals(parameter.substr(0, name.size()), name)) continue;
        const auto seconds = parse_number<std::uint32_t>(parameter.substr(name.size()));
        if (!seconds) continue;
        const Milliseconds timeout = Seconds(*seconds);
        return std::min(most, timeout - std::min<Milliseconds>(timeout / 4, Seconds(1)));
    }
    return most;
}

}  // namespace flowrelay::http
