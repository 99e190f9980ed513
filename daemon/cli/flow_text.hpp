// What `status` and `top` say of rates, of the time until the queue is empty, and how they draw.
#pragma once

#include <boost/json/object.hpp>
#include <span>
#include <string>

namespace flowrelay::cli {

/// "12/s accepted, 340/s left, over 1m"; empty when the daemon does not know it yet.
std::string describe_rates(const boost::json::object& status);

/// "in 12s to 40s at this rate", "not at this rate: ..."; empty when nothing is queued or the
/// daemon is older.
std::string describe_drained(const boost::json::object& status);

/// One sign for each value, as high as the value beside the largest one. Without `unicode` in
/// ASCII.
std::string draw_line(std::span<const double> values, bool unicode);

/// "[####....]": `share` of `width` signs. A share that is not 0 has a sign at least, and only a
/// whole one has all.
std::string draw_bar(double share, int width);

/// Whether the environment says that the terminal shows UTF-8: the first that is set of LC_ALL,
/// LC_CTYPE and LANG.
bool shows_unicode();

}  // namespace flowrelay::cli
