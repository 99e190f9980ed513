// One picture of `flowrelay top`. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
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

/// At most `rows` lines of at most `columns` characters; escape sequences only when `colour`.
std::string render_top(const boost::json::object& status, const TopSample& now,
                       const std::optional<TopSample>& before, int rows, int columns, bool colour);

}  // namespace flowrelay::cli
