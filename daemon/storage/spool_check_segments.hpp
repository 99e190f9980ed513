// The part of the check of a spool that reads the log: segments, indexes, what is queued.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/storage/spool_check.hpp"
#include "log_layout.hpp"
#include "segment_scan.hpp"

namespace flowrelay::storage {

/// Seqs that some record settles.
class SettledSeqs {
public:
    void add(std::vector<SeqRange> ranges);
    bool contains(Seq seq) const noexcept;

    /// Those from this one on are not asked for any more.
    void forget_from(Seq seq);

private:
    std::vector<SeqRange> ranges_;  // ascending, without overlaps
};

class SegmentCheck {
public:
    /// All references outlive it. `letters`: the seqs of the dead letters, ascending.
    SegmentCheck(FileSystem& file_system, std::string directory, const std::vector<Seq>& letters,
                 SpoolReport& report)
        : file_system_(file_system),
          directory_(std::move(directory)),
          letters_(letters),
          report_(report) {}

    /// What lies in the directory of the log, and what is known of it from outside.
    struct Found {
        std::vector<std::uint64_t> segments;  ///< their numbers, ascending
        std::vector<std::uint64_t> indexes;   ///< the same
        std::vector<std::string> quarantined;
        std::optional<HighWater> mark;
        bool used_before = false;  ///< other files show that there was a log
    };
    Result<void> run(const Found& found);

    /// Of the newest segment that can be read; 0 if there is none.
    std::uint64_t segment_size() const noexcept { return segment_size_; }

    /// Letters whose events are queued still.
    std::uint64_t queued_letters() const noexcept { return queued_letters_; }

private:
    void report_replaced();
    void report_missing(const std::vector<std::string>& quarantined);
    void report_lost_newest();
    void report_other_log();
    void read(std::size_t place);
    void report_damage(const std::string& name, std::vector<DamagedRange> ranges);
    void count_queued(SpoolFile& file, const SegmentScan& scan);
    void count_uncounted(std::size_t place, const SegmentScan& scan);
    void count_books(const FoundSegment& segment, const SegmentScan& scan);
    void check_index(const FoundSegment& segment, SegmentScan scan);
    std::string judge_index(SpoolFile& file, const std::string& path, const FoundSegment& segment,
                            SegmentScan scan);

    FileSystem& file_system_;
    std::string directory_;
    const std::vector<Seq>& letters_;
    SpoolReport& report_;
    LogLayout layout_;
    std::vector<Seq> highest_;  // in each segment
    std::vector<std::uint64_t> indexes_;
    std::map<TokenId, SpoolQueue> queues_;
    SettledSeqs settled_;
    SettledSeqs settled_by_newest_;    // of a segment that came back: what was settled without it
    bool has_come_back_ = false;       // such a segment was read
    std::uint64_t settled_again_ = 0;  // events of others, by that one alone
    std::uint64_t uncounted_ = 0;      // events of segments that others were begun without
    std::uint64_t segment_size_ = 0;
    std::uint64_t queued_letters_ = 0;
    std::uint64_t without_contents_ = 0;  // queued events that have lost theirs
    bool unreadable_ = false;             // some bytes of some segment
    bool newest_cut_ = false;             // it ends where it did not when it was written
};

/// The name of a file in the log, as reports have it.
std::string log_file_name(const std::string& name);

}  // namespace flowrelay::storage
