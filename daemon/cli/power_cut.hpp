// A disk test in two phases: writes until the power is cut, then checks what is left.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// Contents of the test's log after a power cut. Events are numbered from 1.
struct PowerCutFindings {
    std::uint64_t first = 0;    ///< first event found; 0: none
    std::uint64_t last = 0;     ///< last event found; 0: none
    std::uint64_t missing = 0;  ///< events between them that are missing or unreadable
    std::uint64_t damaged = 0;  ///< damaged ranges that recovery reported
};

/// Returns the directory that holds the test's log between the two phases.
std::string power_cut_directory(const std::string& parent);

/// Writes until `until`, or until `stop` returns true. After each commit, calls `acknowledged` with
/// the number of the last durable event.
Result<void> write_until_power_cut(const std::string& parent, MonoTime until,
                                   const std::function<bool()>& stop,
                                   const std::function<void(std::uint64_t)>& acknowledged);

/// Recovers the log and examines it. Error: it is missing, or can't be opened.
Result<PowerCutFindings> look_after_power_cut(const std::string& parent);

/// Returns the number of lost events. `acknowledged` is the last number seen acknowledged (0:
/// unknown).
std::uint64_t lost_in_power_cut(const PowerCutFindings& found, std::uint64_t acknowledged);

/// Removes the test's log, and stores `result` in its place for result_of_power_cut().
Result<void> close_power_cut(const std::string& parent, std::string_view result);

/// Returns what close_power_cut() stored, if the last test was closed.
std::optional<std::string> result_of_power_cut(const std::string& parent);

}  // namespace flowrelay::cli
