// The section `pages` of the configuration.
#pragma once

#include "config_reader.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

void read_pages(const MapReader& map, PagesConfig& out);

}  // namespace flowrelay::app
