// Walks over the records of a file and tells apart what a crash leaves behind from damage. Used by
// recovery, by erasure and by the journals. How it decides, and why that is right, is in
// docs/spool-format.md, "Recovery".
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "flowrelay/storage/file_system.hpp"
#include "record.hpp"

namespace flowrelay::storage {

struct ScannedRecord {
    std::uint64_t offset = 0;
    RecordHeader header;
    std::span<const std::uint8_t> payload;  ///< valid during the call only
    bool intact = true;  ///< false: the payload does not have its checksum (wiped, or damaged)
};

class RecordSink {
public:
    virtual ~RecordSink() = default;

    /// A record of the file, in the order of their offsets; confirmations are left out.
    virtual void record(const ScannedRecord& record) = 0;

    /// Bytes that were durable once and in which no record is found.
    virtual void damage(std::uint64_t offset, std::uint64_t bytes) = 0;
};

struct ScanRange {
    std::uint64_t begin = 0;  ///< of the first record
    std::uint64_t end = 0;    ///< not beyond the end of the file

    /// Where the writing ended:
    enum class Tail {
        unknown,  ///< the last file of a log: at its last complete commit, or in the midst of one
        open,     ///< an earlier one: all was synced; behind the end lies what was there before
        exact,    ///< an earlier one, and the records end at `end`
    };
    Tail tail = Tail::unknown;

    std::uint64_t durable_end = 0;  ///< what lies before it is known to have been synced

    /// The scan ends in front of the first commit that begins here or later: result.end is where
    /// another scan can go on. The largest number: it does not end early.
    std::uint64_t pause_at = std::numeric_limits<std::uint64_t>::max();
};

struct ScanResult {
    std::uint64_t end = 0;  ///< behind the last record: the place to write at
    CommitMark last_commit;
    std::uint64_t torn_end = 0;  ///< behind the last record of the cut tail; at least `end`

    // The highest of all records, those in the cut tail included: never to be used again.
    std::uint32_t highest_commit = 0;
    Seq highest_seq = Seq::none;

    /// The last record is a confirmation, or there is none: all of this was durable.
    bool confirmed = true;
    /// The highest seq of which the last confirmation knows.
    Seq confirmed_seq = Seq::none;

    /// The record at `end` that would reach beyond the end of the range: what was written to a file
    /// of a fixed size never did, so the file was cut short.
    std::optional<RecordHeader> cut_off;

    /// What the disk did not give, however often it was asked: the first place, and the bytes of
    /// all. They were taken for zeros. So with it everything else here is a guess, what the sink
    /// was given as damage included: nothing may be changed on the word of such a scan.
    struct Unreadable {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
        Error error;
    };
    std::optional<Unreadable> unreadable;
};

/// The error of a file that can't be read, for those who can't go on without it
/// (QueueErrc::unreadable). Says what to do.
Error unreadable_error(const std::string& path, const ScanResult::Unreadable& unreadable);
Error unreadable_error(const std::string& path, std::uint64_t offset, const Error& error);

/// A file gave fewer bytes than it has.
Error short_read_error();

/// Gives every record in the range to the sink. With Tail::unknown an unfinished commit at the end
/// is left out: result.end lies before it. What can't be read is neither a record nor damage:
/// result.unreadable says so, and the caller decides.
ScanResult scan_records(File& file, const ScanRange& range, std::uint32_t salt, RecordSink& sink);

}  // namespace flowrelay::storage
