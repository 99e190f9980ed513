// One picture of `flowrelay top`. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>

namespace flowrelay::cli {

/// What was seen last time, for the rates.
struct TopSample {
    double at_s = 0;  ///< on any clock
    double accepted = 0;
    double delivered = 0;
    double attempts = 0;
    double retried = 0;
};

TopSample take_sample(const boost::json::object& status, double at_s);

/// What the terminal takes.
struct TopPicture {
    int rows = 0;     ///< lines at most
    int columns = 0;  ///< characters of a line at most
    bool colour = false;
    bool unicode = false;
};

/// `seen`: the samples taken before this one, the oldest first. Rates are those since the last of
/// them; the small charts show all.
std::string render_top(const boost::json::object& status, const TopSample& now,
                       std::span<const TopSample> seen, const TopPicture& picture);

}  // namespace flowrelay::cli
