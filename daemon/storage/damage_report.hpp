// Reports damage in segments, and copies damaged bytes to the quarantine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "log_files.hpp"
#include "segment.hpp"
#include "segment_scan.hpp"

namespace flowrelay::storage {

class DamageReport {
public:
    static constexpr std::size_t max_lines = 20;  ///< per segment; the last sums up the rest

    /// Both references must outlive the report.
    DamageReport(LogFiles& files, Log& log) : files_(files), log_(log) {}

    /// Reports ranges without readable records, or with a record whose payload is damaged.
    void damage(Segment& segment, std::vector<DamagedRange> ranges);

    /// Reports a segment without a readable header. `missing`: events that it contained, as far as
    /// the neighbouring seqs show; for the newest segment, a lower bound of the queued events lost
    /// with it.
    void unreadable(std::uint64_t number, std::uint64_t bytes, std::optional<std::uint64_t> missing,
                    bool is_newest);

    /// Reports a missing segment.
    void absent(std::uint64_t number, std::uint64_t missing);

    /// Reports that the newest segment is missing. `number`: 0 for a log without any segment.
    /// `lost`: a lower bound of the queued events lost with it; none: not known.
    void lost_newest(std::uint64_t number, std::optional<std::uint64_t> lost);

    /// Reports that the high-water file is invalid.
    void damaged_mark(const std::string& path);

    /// Reports that the high-water file belongs to another log, which had at least `queued` queued
    /// events.
    void other_log(const std::string& path, std::uint64_t queued);

    /// Reports events that are in the books but in no file.
    void unaccounted(std::uint64_t events);

    /// Whether anything was reported.
    bool any() const noexcept { return any_; }

private:
    void report(Segment& segment, const DamagedRange& range);

    LogFiles& files_;
    Log& log_;
    bool any_ = false;
};

}  // namespace flowrelay::storage
