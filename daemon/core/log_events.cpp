#include "flowrelay/core/log_events.hpp"

#include <array>

namespace flowrelay::core::log_events {

std::span<const LogEvent> all() noexcept {
#define FLOWRELAY_LIST(id, name, severity, message_id, summary) id,
    static constexpr std::array events{FLOWRELAY_LOG_EVENTS(FLOWRELAY_LIST)};
#undef FLOWRELAY_LIST
    return events;
}

}  // namespace flowrelay::core::log_events
