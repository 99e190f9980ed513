// Finds the ids that producers chose, for the deduplication window.
#pragma once

#include <cstddef>
#include <vector>

#include "flowrelay/storage/event_queue.hpp"
#include "log_segments.hpp"

namespace flowrelay::storage {

/// The newest `limit` of those accepted since then, oldest first.
std::vector<EventQueue::KnownId> find_known_ids(const LogSegments& segments, WallTime since,
                                                std::size_t limit);

}  // namespace flowrelay::storage
