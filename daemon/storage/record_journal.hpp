// A journal: an append-only file of records that is rewritten as a whole when something has to be
// erased from it. Used by the registry, the dead letters and the known ids. docs/spool-format.md,
// "Journals".
//
// One thread. A change is durable when its call returns. After a failed write or sync the file is
// not trusted any more: append() fails until rewrite() has replaced the file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "record.hpp"
#include "record_scanner.hpp"

namespace flowrelay::storage {

/// What the file is used for. Stored in the header, so that one kind can't be taken for another.
enum class JournalKind : std::uint32_t { registry = 1, dead_letters = 2, known_ids = 3 };

inline constexpr std::size_t journal_header_size = 64;

/// The format of a journal, of a registry that says where a source lives, and of one that has the
/// filter of a source. Earlier programs read what they know and refuse the others as newer.
inline constexpr std::uint32_t journal_version = 2;
inline constexpr std::uint32_t flow_source_version = 3;
inline constexpr std::uint32_t filter_version = 4;

/// A record to be written: the header's own fields and the payload.
struct JournalRecord {
    RecordHeader header;  ///< type, flags, seq, token, thread_hash, accepted, expires
    std::vector<std::uint8_t> payload;
};

/// The result of RecordJournal::inspect().
struct JournalScan {
    struct Damage {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    std::uint64_t bytes = 0;     ///< size of the file
    std::uint64_t end = 0;       ///< end of the last record
    std::vector<Damage> damage;  ///< was durable, but is unreadable or invalid

    /// Size of a torn write at the end: the next start cuts it off.
    std::uint64_t torn() const noexcept { return bytes - std::min(bytes, end); }
};

class RecordJournal {
public:
    RecordJournal(FileSystem& file_system, std::string path, JournalKind kind);

    /// Whether open() failed because the file is not what was written, rather than because it can't
    /// be read or has a newer format.
    static bool is_damaged(const Error& error) noexcept;

    /// Whether open() found fewer bytes than were last known to be durable.
    bool was_cut_short() const noexcept { return cut_short_; }

    /// Returns the size that was last durable, from the header of a journal; nothing for other
    /// files, and for the registry, of which no byte may be given up.
    static Result<std::optional<std::uint64_t>> durable_size(File& file);

    /// Whether the file exists. Removes the remains of an interrupted rewrite().
    Result<bool> exists();

    /// Reads all records; cuts off a torn tail (spool.tail_cut). Passes damage to the sink. Errors:
    /// the file can't be read, its header is damaged, or it has another kind or a newer format.
    Result<void> open(RecordSink& sink, Log& log);

    /// Reads all records of a file without changing it. Passes damage to the sink; bytes missing at
    /// the end are in the result's `damage`. Errors are those of open().
    static Result<JournalScan> inspect(FileSystem& file_system, const std::string& path,
                                       JournalKind kind, RecordSink& sink);

    /// Provides the records of a new file, one after the other.
    class Source {
    public:
        virtual ~Source() = default;

        /// Fills `out`, or returns false when there are no more.
        virtual bool next(JournalRecord& out) = 0;

        /// Error that made next() return false too early; no new file is made then.
        virtual std::optional<Error> failure() const { return std::nullopt; }
    };

    /// Replaces the file by a new one with these records; the old file is gone when this returns.
    /// The first record is at journal_header_size, the others follow. After an error the old file
    /// is still in use, unless it was replaced and only the sync of the directory failed;
    /// generation() tells which.
    Result<void> rewrite(Source& source, std::uint32_t version = journal_version);
    Result<void> rewrite(std::span<const JournalRecord> records,
                         std::uint32_t version = journal_version);

    // ---- rewrite() in steps. Meanwhile the file in use can be read and appended to; the caller
    // has to bring these changes into the new one.

    /// Begins a new file; drops a draft begun before, as rewrite() does.
    Result<void> begin_draft(std::uint32_t version = journal_version);
    bool has_draft() const noexcept { return draft_.has_value(); }
    /// Offset of the next record; at first journal_header_size.
    std::uint64_t draft_end() const noexcept { return draft_->end + draft_->buffer.size(); }
    /// Adds a record to the draft. After an error the draft can only be dropped.
    Result<void> draft(const JournalRecord& record);
    Result<void> sync_draft();
    /// Replaces the old file by the draft. Errors are those of rewrite(); the draft is gone in any
    /// case.
    Result<void> put_draft_in_place();
    void drop_draft();

    /// Appends records with one write and one sync. Returns the offset of the first.
    Result<std::uint64_t> append(std::span<const JournalRecord> records);

    /// Called at a clean shutdown: records in the header that everything written so far is durable,
    /// so that damage at the end can't be taken for a torn write.
    Result<void> confirm();

    /// Reads all records again. Errors: no open() or rewrite() was successful, or a part can't be
    /// read (QueueErrc::unreadable); the sink may then lack records.
    Result<void> scan(RecordSink& sink) const;

    /// Reads one record. Errors: errc::bad_message if it is damaged; others come from the disk.
    Result<JournalRecord> read(std::uint64_t offset, std::size_t size) const;

    /// Whether a write or sync failed: rewrite() is required before append().
    bool broken() const noexcept { return broken_; }
    /// Number of files that rewrite() has put into use.
    std::uint64_t generation() const noexcept { return generation_; }
    std::uint64_t end() const noexcept { return end_; }
    /// Format version of the file in use.
    std::uint32_t version() const noexcept { return version_; }
    const std::string& path() const noexcept { return path_; }

private:
    std::string temporary_path() const { return path_ + ".tmp"; }
    Result<std::uint64_t> read_header();
    Result<void> make_durable(const ScanResult& scanned, std::uint64_t size);
    Result<void> flush_draft();

    struct Draft {
        std::unique_ptr<File> file;
        std::uint32_t salt;
        std::uint32_t version;
        std::uint64_t end;                 ///< end of what was written
        std::vector<std::uint8_t> buffer;  ///< not written yet
    };

    FileSystem& file_system_;
    std::string path_;
    JournalKind kind_;
    std::unique_ptr<File> file_;
    std::uint32_t salt_ = 0;
    std::uint32_t version_ = journal_version;
    std::uint32_t last_commit_ = 0;
    std::uint64_t end_ = 0;
    std::uint64_t generation_ = 0;
    bool cut_short_ = false;
    bool broken_ = false;
    std::optional<Draft> draft_;
};

}  // namespace flowrelay::storage
