// Formats the report of `flowrelay spool verify`. Pure.
#pragma once

#include <string>

#include "flowrelay/base/time.hpp"
#include "flowrelay/storage/spool_check.hpp"

namespace flowrelay::cli {

/// Formats the report for users: a line for each file, damage, the queue, the ledger, and a summary
/// in the last line. `quiet` leaves out the files.
std::string format_spool_report(const storage::SpoolReport& report, WallTime now, bool quiet);

/// Formats the report as JSON: a line for each file, damage and token, and one of type "summary".
std::string format_spool_json(const storage::SpoolReport& report);

}  // namespace flowrelay::cli
