// An event as the control socket shows it.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>
#include <vector>

#include "flowrelay/core/explain.hpp"
#include "flowrelay/core/relay.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/runtime/engine_operations.hpp"

namespace flowrelay::runtime {

/// A plan shows so many of what it is about.
inline constexpr std::size_t most_examples = 5;

/// seq, id, source, thread, accepted, age_s, and the like: what a queued event and a dead letter
/// have in common.
boost::json::object describe_record(const core::Relay& relay, Seq seq,
                                    const core::EventRecord& record, Now now);

/// A queued event with the first cause why it waits.
boost::json::object describe_event(const core::Relay& relay, const ListedEvent& listed, Now now);

/// The whole chain of causes, and "earliest_s".
void add_chain(boost::json::object& out, const std::vector<core::ChainLink>& chain);

/// Appends an object with one more member, whose value is JSON text already.
void append_with(std::string& out, const boost::json::object& object, std::string_view member,
                 std::string_view json);

}  // namespace flowrelay::runtime
