// The section `destination` of the configuration.
#pragma once

#include "config_reader.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

void read_destination(const MapReader& map, DestinationConfig& out);

}  // namespace flowrelay::app
