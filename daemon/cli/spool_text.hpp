// How the report of `flowrelay spool verify` looks. Pure.
#pragma once

#include <string>

#include "flowrelay/base/time.hpp"
#include "flowrelay/storage/spool_check.hpp"

namespace flowrelay::cli {

/// For people: a line for each file, damage, what is queued, the books, and a last line that sums
/// up. `quiet` leaves out the files.
std::string format_spool_report(const storage::SpoolReport& report, WallTime now, bool quiet);

/// A line of JSON for each file, damage and token, and one of type "summary".
std::string format_spool_json(const storage::SpoolReport& report);

}  // namespace flowrelay::cli
