// What the configuration says of a source besides its name and its token: the settings that a
// reload changes, and that a slot has as long as it answers for that source. Their one home: the
// configuration reads them into it, the token table keeps them, and a reload compares two of them.
#pragma once

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/event_filter.hpp"
#include "flowrelay/core/submitter.hpp"

namespace flowrelay::core {

struct SourceRules {
    EventDefaults defaults{};      ///< JSON values by member, for events that leave it out
    bool has_own_event = false;    ///< of a route: its own defaults say what `event` is
    double rate_limit = 0;         ///< events per second; 0: none
    bool hold_rejected = false;    ///< a lane whose event is rejected waits for an operator
    AllowRule allow{};             ///< who may use it
    bool report_problems = false;  ///< the flow is told of its trouble
    KnownFilter filter{};          ///< which events are delivered

    friend bool operator==(const SourceRules&, const SourceRules&) = default;
};

}  // namespace flowrelay::core
