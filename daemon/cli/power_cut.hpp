// The test of a disk that pulls the plug: write until the power is cut, and look afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::cli {

/// What the log of the test holds after a power cut. Events are numbered from 1.
struct PowerCutFindings {
    std::uint64_t first = 0;    ///< of those that are there; 0: none are
    std::uint64_t last = 0;     ///< 0: none are
    std::uint64_t missing = 0;  ///< between them, or unreadable
    std::uint64_t damaged = 0;  ///< ranges of bytes that recovery reported
};

/// Where the test keeps its log, between the two phases.
std::string power_cut_directory(const std::string& parent);

/// Writes until the time or until `stop`. Calls `acknowledged` with the number of the last event
/// that is durable, after each commit.
Result<void> write_until_power_cut(const std::string& parent, MonoTime until,
                                   const std::function<bool()>& stop,
                                   const std::function<void(std::uint64_t)>& acknowledged);

/// Recovers the log and looks. An error: it is not there, or can't be opened.
Result<PowerCutFindings> look_after_power_cut(const std::string& parent);

/// Events that are lost, when this was the last number that was seen acknowledged (0: not known).
std::uint64_t lost_in_power_cut(const PowerCutFindings& found, std::uint64_t acknowledged);

/// Removes what the test wrote, and keeps `result` in its place, for result_of_power_cut().
Result<void> close_power_cut(const std::string& parent, std::string_view result);

/// What was kept by close_power_cut(), if the last test was closed.
std::optional<std::string> result_of_power_cut(const std::string& parent);

}  // namespace flowrelay::cli
