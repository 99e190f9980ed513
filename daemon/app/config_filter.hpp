// The filter of a source in the configuration.
#pragma once

#include "config_reader.hpp"
#include "config_yaml.hpp"
#include "flowrelay/core/event_filter.hpp"

namespace flowrelay::app {

/// Reads `filter` of a source: a map with lists, each with an entry at least.
core::KnownFilter read_filter(const MapReader& source, ProblemList& problems);

/// The same as YAML on one line: `{events: [...], tags: [...], threads: [...]}`.
std::string show_filter(const core::EventFilter& filter);

}  // namespace flowrelay::app
