#include "damage_report.hpp"

#include <algorithm>
#include <string>

#include "flowrelay/core/log_events.hpp"
#include "quarantine.hpp"

namespace flowrelay::storage {

namespace ev = core::log_events;

void DamageReport::damage(Segment& segment, std::vector<DamagedRange> ranges) {
    std::ranges::sort(ranges, {}, &DamagedRange::offset);
    std::vector<DamagedRange> merged;
    for (const DamagedRange& range : ranges) {
        const bool touches =
            !merged.empty() && merged.back().offset + merged.back().bytes == range.offset;
        if (touches || merged.size() == max_lines) {
            DamagedRange& last = merged.back();
            last.bytes = range.offset + range.bytes - last.offset;
            last.missing += range.missing;
        } else {
            merged.push_back(range);
        }
    }
    for (const DamagedRange& range : merged) report(segment, range);
}

void DamageReport::report(Segment& segment, const DamagedRange& range) {
    any_ = true;
    const std::string name = LogFiles::segment_name(segment.header.number);
    const Quarantine quarantine(files_.file_system(), files_.directory());
    const auto copy = quarantine.keep(*segment.file, name, range.offset, range.bytes);
    log_.write(ev::spool_damaged, {{"file", name},
                                   {"offset", range.offset},
                                   {"bytes", range.bytes},
                                   {"missing", range.missing},
                                   {"copy", copy.has_value() ? *copy : copy.error().message}});
}

void DamageReport::unreadable(std::uint64_t number, std::uint64_t bytes,
                              std::optional<std::uint64_t> missing) {
    any_ = true;
    const std::string name = LogFiles::segment_name(number);
    const std::string copy = Quarantine(files_.file_system(), files_.directory()).path_of(name);
    std::vector<LogField> fields{{"file", name}, {"offset", std::uint64_t{0}}, {"bytes", bytes}};
    if (missing) fields.push_back({"missing", *missing});
    fields.push_back({"reason", "its header can't be read"});
    fields.push_back({"copy", copy});
    log_.write(ev::spool_damaged, fields);
}

void DamageReport::absent(std::uint64_t number, std::uint64_t missing) {
    any_ = true;
    log_.write(ev::spool_damaged, {{"file", LogFiles::segment_name(number)},
                                   {"missing", missing},
                                   {"reason", "the file is missing"}});
}

void DamageReport::unaccounted(std::uint64_t events) {
    log_.write(ev::spool_damaged,
               {{"missing", events},
                {"reason",
                 "the books know of them, and no file does: the oldest segment was taken "
                 "away, or they were lost at an earlier start"}});
}

}  // namespace flowrelay::storage
