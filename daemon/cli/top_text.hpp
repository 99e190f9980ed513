// Renders the screen of `flowrelay top`. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>

namespace flowrelay::cli {

/// Counters at one time, for computing rates.
struct TopSample {
    double at_s = 0;  ///< on any clock
    double accepted = 0;
    double delivered = 0;
    double attempts = 0;
    double retried = 0;
};

TopSample take_sample(const boost::json::object& status, double at_s);

/// Size and abilities of the terminal.
struct TopPicture {
    int rows = 0;     ///< maximum number of lines
    int columns = 0;  ///< maximum length of a line
    bool colour = false;
    bool unicode = false;
};

/// Renders one screen. `seen` has the samples before `now`, the oldest first. Rates are computed
/// since the last of them; the small charts show all.
std::string render_top(const boost::json::object& status, const TopSample& now,
                       std::span<const TopSample> seen, const TopPicture& picture);

}  // namespace flowrelay::cli
