// The section `connect` of the configuration.
#pragma once

#include "config_reader.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

void read_connect(const MapReader& map, const DestinationConfig& destination, ConnectConfig& out);

}  // namespace flowrelay::app
