// A filter as the control socket shows and takes it.
#pragma once

#include <boost/json/object.hpp>

#include "flowrelay/core/event_filter.hpp"
#include "flowrelay/core/token_table.hpp"

namespace flowrelay::runtime {

/// {"events": […], "tags": […], "threads": […]}, without the lists that ask for nothing.
boost::json::object filter_json(const core::EventFilter& filter);

/// The filter that a POST names: at least one list that is not empty, or "all": true for none. An
/// invalid for anything else.
core::OrRefusal<core::KnownFilter> read_filter(const boost::json::object& body);

}  // namespace flowrelay::runtime
