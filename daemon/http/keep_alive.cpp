#include "flowrelay/http/keep_alive.hpp"

#include <algorithm>
#include <cstdint>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/number.hpp"
#include "head.hpp"

namespace flowrelay::http {

Milliseconds keep_alive_time(std::string_view field, Milliseconds most) {
    constexpr std::string_view name = "timeout=";
    while (!field.empty()) {
        const std::size_t end = std::min(field.find(','), field.size());
        const std::string_view parameter = ascii::trim(field.substr(0, end));
        field.remove_prefix(std::min(end + 1, field.size()));
        if (!ascii::iequals(parameter.substr(0, name.size()), name)) continue;
        const auto seconds = parse_number<std::uint32_t>(parameter.substr(name.size()));
        if (!seconds) continue;
        const Milliseconds timeout = Seconds(*seconds);
        return std::min(most, timeout - std::min<Milliseconds>(timeout / 4, Seconds(1)));
    }
    return most;
}

}  // namespace flowrelay::http
