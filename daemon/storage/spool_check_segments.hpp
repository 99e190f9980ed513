// The part of the spool check that reads the log: segments, indexes, queued events.
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

/// The seqs that are settled by records.
class SettledSeqs {
public:
    void add(std::vector<SeqRange> ranges);
    bool contains(Seq seq) const noexcept;

    /// Drops the seqs from `seq` on: contains() is not called for them any more.
    void forget_from(Seq seq);

private:
    std::vector<SeqRange> ranges_;  // ascending, without overlaps
};

class SegmentCheck {
public:
    /// All references must outlive this. `letters`: the seqs of the dead letters, ascending.
    SegmentCheck(FileSystem& file_system, std::string directory, const std::vector<Seq>& letters,
                 SpoolReport& report)
        : file_system_(file_system),
          directory_(std::move(directory)),
          letters_(letters),
          report_(report) {}

    /// The files in the directory of the log, and what is known of the log from outside it.
    struct Found {
        std::vector<std::uint64_t> segments;  ///< their numbers, ascending
        std::vector<std::uint64_t> indexes;   ///< their numbers, ascending
        std::vector<std::string> quarantined;
        std::optional<HighWater> mark;
        bool used_before = false;  ///< other files show that a log existed
    };
    Result<void> run(const Found& found);

    /// Size of the newest readable segment; 0 if there is none.
    std::uint64_t segment_size() const noexcept { return segment_size_; }

    /// Number of letters whose events are still queued.
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
    std::vector<Seq> highest_;  // highest seq in each segment
    std::vector<std::uint64_t> indexes_;
    std::map<TokenId, SpoolQueue> queues_;
    SettledSeqs settled_;
    SettledSeqs settled_by_newest_;    // settled without the segment that came back
    bool has_come_back_ = false;       // a segment that came back was read
    std::uint64_t settled_again_ = 0;  // events that only that segment settles
    std::uint64_t uncounted_ = 0;      // events of segments that later ones lack in their books
    std::uint64_t segment_size_ = 0;
    std::uint64_t queued_letters_ = 0;
    std::uint64_t without_contents_ = 0;  // queued events without contents
    bool unreadable_ = false;             // some bytes of some segment can't be read
    bool newest_cut_ = false;             // the newest segment was cut short
};

/// Returns the name of a file of the log as reports show it.
std::string log_file_name(const std::string& name);

}  // namespace flowrelay::storage
