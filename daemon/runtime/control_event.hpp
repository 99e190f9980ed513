// Describes events as the control socket shows them.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>
#include <vector>

#include "flowrelay/core/explain.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/runtime/engine_operations.hpp"

namespace flowrelay::runtime {

/// How many of the affected events a plan shows.
inline constexpr std::size_t max_examples = 5;

/// Returns the members that queued events and dead letters share: seq, id, source, thread,
/// accepted, age_s, and the like.
boost::json::object describe_record(const core::Relay& relay, Seq seq,
                                    const core::EventRecord& record, Now now);

/// Describes a queued event, with the first cause of its waiting.
boost::json::object describe_event(const core::Relay& relay, const ListedEvent& listed, Now now);

/// Adds the whole chain of causes, and "earliest_s".
void add_chain(boost::json::object& out, const std::vector<core::ChainLink>& chain);

/// Appends an object with one more member, whose value is JSON text already.
void append_with(std::string& out, const boost::json::object& object, std::string_view member,
                 std::string_view json);

}  // namespace flowrelay::runtime
