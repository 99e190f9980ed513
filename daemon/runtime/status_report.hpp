// GET /v1/status: the state of the relay as JSON.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::runtime {

/// Returns the state of a token, determined by both operator and destination: "active", "paused",
/// "gone", ...
std::string_view token_state(const core::Token& token, const core::Scheduler::TokenStatus& status);

/// Adds when the data of a token that is gone will be or was erased, or why the erasure waits.
void add_erasure(boost::json::object& entry, const core::Relay& relay, const core::Token& token,
                 WallTime now);

/// Returns the size to which the spool can grow: spool.max_size, or the space on the disk if that
/// is less.
std::uint64_t spool_capacity(const StorageMailbox::Snapshot& snapshot,
                             const ControlContext& context);

/// Returns why the daemon accepts no events; nothing if it accepts them.
std::optional<storage::RefusingBecause> refusing(const core::Relay& relay,
                                                 const StorageMailbox::Snapshot& snapshot);

/// Returns the status report. `snapshot` must be recent.
std::string status_report(Engine& engine, const StorageMailbox::Snapshot& snapshot,
                          const ControlContext& context);

}  // namespace flowrelay::runtime
