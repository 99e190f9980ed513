// Tells of damage in segments, and keeps what is damaged in the quarantine.
#pragma once

#include <cstdint>
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
    /// around it tell.
    void unreadable(std::uint64_t number, std::uint64_t bytes,
                    std::optional<std::uint64_t> missing);

    /// A segment that is not there.
    void absent(std::uint64_t number, std::uint64_t missing);

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
