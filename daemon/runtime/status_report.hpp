// GET /v1/status: the state of the relay as JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::runtime {

/// "active", "paused", "gone", ...: what the operator and the destination make of a token together.
std::string_view token_state(const core::Token& token, const core::Scheduler::TokenStatus& status);

/// Why the daemon accepts no events, if so.
std::optional<storage::RefusingBecause> refusing(const StorageMailbox::Snapshot& snapshot,
                                                 const ControlContext& context);

/// `snapshot`: what the storage thread said a moment ago.
std::string status_report(Engine& engine, const StorageMailbox::Snapshot& snapshot,
                          const ControlContext& context);

}  // namespace flowrelay::runtime
