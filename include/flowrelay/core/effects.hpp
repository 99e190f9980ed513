// What has to be recorded after an attempt, after the answer to a check, or with the passing of
// time. Who calls the relay carries it out (runtime/engine).
#pragma once

#include <optional>
#include <vector>

#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::core {

struct Effects {
    std::optional<Settlement> settle;
    std::vector<DeadLetter> bury;    ///< without the events: storage has them
    std::vector<TokenEntry> tokens;  ///< for the registry
    std::vector<Seq> replay;   ///< dead letters that have to be queued again, perhaps just buried
    std::optional<Hold> hold;  ///< for the registry: no harm if it can't be written
};

}  // namespace flowrelay::core
