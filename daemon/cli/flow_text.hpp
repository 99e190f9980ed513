// Rates, the expected time until the queue is empty, and charts, for `status` and `top`.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>

namespace flowrelay::cli {

/// Returns "12/s accepted, 340/s left, over 1m"; empty if the daemon does not know the rates yet.
std::string describe_rates(const boost::json::object& status);

/// Returns "in 12s to 40s at this rate" or "not at this rate: ..."; empty if nothing is queued or
/// an older daemon does not tell.
std::string describe_drained(const boost::json::object& status);

/// Draws a chart with one character for each value, in proportion to the largest value. Uses ASCII
/// unless `unicode`.
std::string draw_line(std::span<const double> values, bool unicode);

/// Draws "[####....]": `share` of `width` characters. Only a share of 0 has none, and only a share
/// of 1 has all.
std::string draw_bar(double share, int width);

/// Returns whether the terminal shows UTF-8, according to the first of LC_ALL, LC_CTYPE and LANG
/// that is set.
bool shows_unicode();

}  // namespace flowrelay::cli
