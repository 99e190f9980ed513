// Tells of damage in segments, and keeps what is damaged in the quarantine.
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
    static constexpr std::size_t max_lines = 20;  ///< for one segment; the last sums up the rest

    /// Both outlive it.
    DamageReport(LogFiles& files, Log& log) : files_(files), log_(log) {}

    /// Ranges without readable records, or with a record that lost its payload.
    void damage(Segment& segment, std::vector<DamagedRange> ranges);

    /// A segment without a readable header. `missing`: events that it held, as far as the seqs
    /// around it tell; of the newest, the queued events that are lost with it at least.
    void unreadable(std::uint64_t number, std::uint64_t bytes, std::optional<std::uint64_t> missing,
                    bool is_newest);

    /// A segment that is not there.
    void absent(std::uint64_t number, std::uint64_t missing);

    /// The newest segment is not there. `number`: 0 for a log without any segment. `lost`: queued
    /// events that are lost with it at least; none: not known.
    void lost_newest(std::uint64_t number, std::optional<std::uint64_t> lost);

    /// The file that says how far the log had come makes no sense.
    void damaged_mark(const std::string& path);

    /// Another log lies here than the one that this file knows, which had at least that
    /// many events queued.
    void other_log(const std::string& path, std::uint64_t queued);

    /// Events that the books know and no file does.
    void unaccounted(std::uint64_t events);

    /// Whether there was anything to report.
    bool any() const noexcept { return any_; }

private:
    void report(Segment& segment, const DamagedRange& range);

    LogFiles& files_;
    Log& log_;
    bool any_ = false;
};

}  // namespace flowrelay::storage
