// The clock for ages and deadlines: the system's clocks, corrected by the timeline
// (core/timeline.hpp).
#pragma once

#include <optional>
#include <string>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/timeline.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::app {

class TimelineClock final : public Clock {
public:
    /// `log` outlives the clock.
    explicit TimelineClock(Log& log) : log_(log) {}

    /// Continues from the anchor in the directory, and saves a new one. Call it once, before a
    /// second thread starts. Until then now() returns the wall clock.
    void begin(storage::FileSystem& file_system, const std::string& directory);

    Now now() const override;

    /// Checks whether the wall clock has stepped, and logs a step. Returns an anchor if one must be
    /// saved: after a step, and every five minutes. I/O thread.
    std::optional<core::ClockAnchor> look();

    /// Saves an anchor. Any thread, one at a time.
    void save(storage::FileSystem& file_system, const core::ClockAnchor& anchor);
    core::ClockAnchor anchor() const;

private:
    Log& log_;
    std::string path_;
    std::string boot_id_;
    std::optional<core::Timeline> timeline_;
    MonoTime save_at_{};
    bool save_failed_ = false;
};

}  // namespace flowrelay::app
