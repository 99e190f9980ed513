// GET /v1/status: the state of the relay as JSON.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::runtime {

/// "active", "paused", "gone", ...: what the operator and the destination make of a token together.
std::string_view token_state(const core::Token& token, const core::Scheduler::TokenStatus& status);

/// When what is stored for a token that is gone will be erased, or was, or why that waits.
void add_erasure(boost::json::object& entry, const core::Relay& relay, const core::Token& token,
                 WallTime now);

/// What the spool may grow to: spool.max_size, or what the disk has for it if that is less.
std::uint64_t spool_capacity(const StorageMailbox::Snapshot& snapshot,
                             const ControlContext& context);

/// Why the daemon accepts no events, if so.
std::optional<storage::RefusingBecause> refusing(const core::Relay& relay,
                                                 const StorageMailbox::Snapshot& snapshot);

/// `snapshot`: what the storage thread said a moment ago.
std::string status_report(Engine& engine, const StorageMailbox::Snapshot& snapshot,
                          const ControlContext& context);

}  // namespace flowrelay::runtime
