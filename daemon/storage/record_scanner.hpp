// Scans the records of a file and distinguishes the traces of a crash from damage. Used by
// recovery, erasure and the journals. docs/spool-format.md, "Recovery", explains how it decides,
// and why that is right.
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
    bool intact = true;  ///< false: the payload does not match its checksum (wiped, or damaged)
};

class RecordSink {
public:
    virtual ~RecordSink() = default;

    /// Called for each record of the file except confirmations, in the order of their offsets.
    virtual void record(const ScannedRecord& record) = 0;

    /// Called for bytes that were durable once and in which no record is found.
    virtual void damage(std::uint64_t offset, std::uint64_t bytes) = 0;
};

struct ScanRange {
    std::uint64_t begin = 0;  ///< offset of the first record
    std::uint64_t end = 0;    ///< at most the size of the file

    /// Where the records end:
    enum class Tail {
        unknown,  ///< newest file of a log: at its last complete commit, or within one
        open,     ///< earlier file: all was synced; old bytes follow the end
        exact,    ///< earlier file whose records end at `end`
    };
    Tail tail = Tail::unknown;

    std::uint64_t durable_end = 0;  ///< everything before it is known to have been synced

    /// The scan ends before the first commit that begins here or later; another scan can continue
    /// at result.end. The largest number: it does not end early.
    std::uint64_t pause_at = std::numeric_limits<std::uint64_t>::max();
};

struct ScanResult {
    std::uint64_t end = 0;  ///< end of the last record: where to write
    CommitMark last_commit;
    std::uint64_t torn_end = 0;  ///< end of the last record of the torn tail; at least `end`

    // The highest of all records, including the torn tail: never to be reused.
    std::uint32_t highest_commit = 0;
    Seq highest_seq = Seq::none;

    /// Whether the last record is a confirmation, or there is no record: all of this was durable.
    bool confirmed = true;
    /// The highest seq according to the last confirmation.
    Seq confirmed_seq = Seq::none;

    /// The record at `end` that would reach beyond the end of the range. No record written to a
    /// file of a fixed size does, so the file was cut short.
    std::optional<RecordHeader> cut_off;

    /// Bytes that the disk did not return in any attempt: the first offset, and the total number.
    /// They were replaced by zeros. All other results, including the damage passed to the sink, are
    /// then guesses, and nothing may be changed because of them.
    struct Unreadable {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
        Error error;
    };
    std::optional<Unreadable> unreadable;
};

/// Returns the error of a file that can't be read, for callers that can't continue without it
/// (QueueErrc::unreadable). Says what to do.
Error unreadable_error(const std::string& path, const ScanResult::Unreadable& unreadable);
Error unreadable_error(const std::string& path, std::uint64_t offset, const Error& error);

/// Returns the error of a file that returned fewer bytes than it has.
Error short_read_error();

/// Passes every record in the range to the sink. With Tail::unknown an unfinished commit at the end
/// is left out: result.end is before it. Unreadable bytes are neither a record nor damage:
/// result.unreadable has them, and the caller decides.
ScanResult scan_records(File& file, const ScanRange& range, std::uint32_t salt, RecordSink& sink);

}  // namespace flowrelay::storage
