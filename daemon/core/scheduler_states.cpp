// The names of the states that the scheduler tells of.
#include "flowrelay/core/scheduler.hpp"

namespace flowrelay::core {

std::string_view to_string(DestinationState state) noexcept {
    switch (state) {
        case DestinationState::up:
            return "up";
        case DestinationState::held:
            return "held";
        case DestinationState::parked:
            return "parked";
        case DestinationState::down:
            return "down";
    }
    return "unknown";
}

std::string_view to_string(TokenState state) noexcept {
    switch (state) {
        case TokenState::active:
            return "active";
        case TokenState::throttled:
            return "throttled";
        case TokenState::parked:
            return "parked";
        case TokenState::failing:
            return "failing";
        case TokenState::paused:
            return "paused";
        case TokenState::gone:
            return "gone";
    }
    return "unknown";
}

}  // namespace flowrelay::core
