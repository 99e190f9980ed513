#include "damage_report.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "flowrelay/core/log_events.hpp"
#include "quarantine.hpp"

namespace flowrelay::storage {

namespace ev = core::log_events;

namespace {

constexpr std::string_view cut_short =
    "the file was cut short: at least that many events were in the rest of it";

std::string_view why_lost(std::uint64_t number, bool counted) {
    if (number == 0) {
        return "no segment is there, although the spool was in use: how many events are lost is "
               "not known";
    }
    return counted ? "the newest segment is missing: at least that many queued events are lost"
                   : "the newest segment is missing: how many events are lost is not known";
}

}  // namespace

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
            last.at_least = last.at_least || range.at_least;
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
    const std::string& kept = copy.has_value() ? *copy : copy.error().message;
    std::vector<LogField> fields{{"file", name},
                                 {"offset", range.offset},
                                 {"bytes", range.bytes},
                                 {"missing", range.missing}};
    if (range.at_least) fields.push_back({"reason", cut_short});
    fields.push_back({"copy", kept});
    log_.write(ev::spool_damaged, fields);
}

void DamageReport::unreadable(std::uint64_t number, std::uint64_t bytes,
                              std::optional<std::uint64_t> missing, bool is_newest) {
    any_ = true;
    const std::string name = LogFiles::segment_name(number);
    const std::string copy = Quarantine(files_.file_system(), files_.directory()).path_of(name);
    std::vector<LogField> fields{{"file", name}, {"offset", std::uint64_t{0}}, {"bytes", bytes}};
    if (missing) fields.push_back({"missing", *missing});
    constexpr std::string_view lower_bound =
        "its header can't be read: at least that many queued events were in it, or in segments "
        "next to it that are not there";
    fields.push_back({"reason", is_newest && missing ? lower_bound : "its header can't be read"});
    fields.push_back({"copy", copy});
    log_.write(ev::spool_damaged, fields);
}

void DamageReport::absent(std::uint64_t number, std::uint64_t missing) {
    any_ = true;
    log_.write(ev::spool_damaged, {{"file", LogFiles::segment_name(number)},
                                   {"missing", missing},
                                   {"reason", "the file is missing"}});
}

void DamageReport::lost_newest(std::uint64_t number, std::optional<std::uint64_t> lost) {
    any_ = true;
    const std::string file = number == 0 ? files_.directory() : LogFiles::segment_name(number);
    std::vector<LogField> fields{{"file", file}};
    if (lost) fields.push_back({"missing", *lost});
    fields.push_back({"reason", why_lost(number, lost.has_value())});
    log_.write(ev::spool_damaged, fields);
}

void DamageReport::damaged_mark(const std::string& path) {
    log_.write(ev::spool_damaged, {{"file", path},
                                   {"reason",
                                    "it does not say how far the log had come: a loss of its end "
                                    "would not be noticed at this start"}});
}

void DamageReport::other_log(const std::string& path, std::uint64_t queued) {
    any_ = true;
    log_.write(ev::spool_damaged,
               {{"file", path},
                {"missing", queued},
                {"reason",
                 "it is of another log than the one that is here: at least that many "
                 "events were queued there, and they are not here"}});
}

void DamageReport::unaccounted(std::uint64_t events) {
    log_.write(ev::spool_damaged,
               {{"missing", events},
                {"reason",
                 "the books know of them, and no file does: the oldest segment was taken "
                 "away, or they were lost at an earlier start"}});
}

}  // namespace flowrelay::storage
