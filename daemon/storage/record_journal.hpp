// An append-only file of records that is rewritten as a whole when something has to be gone from
// it: what the registry and the dead letters have in common. docs/spool-format.md, "Journals".
//
// One thread. A change is durable when its call returns. After a failed write or sync the file is
// not trusted any more: append() refuses, and rewrite() puts a new file in its place.
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

/// What the file is for; part of its header, so that one can't be taken for the other.
enum class JournalKind : std::uint32_t { registry = 1, dead_letters = 2, known_ids = 3 };

inline constexpr std::size_t journal_header_size = 64;

/// The format of a journal, and of a registry that says where a source lives. Earlier programs read
/// the first one and refuse the other as newer.
inline constexpr std::uint32_t journal_version = 2;
inline constexpr std::uint32_t flow_source_version = 3;

/// A record to be written: the header's own fields and the payload.
struct JournalRecord {
    RecordHeader header;  ///< type, flags, seq, token, thread_hash, accepted, expires
    std::vector<std::uint8_t> payload;
};

/// A journal that was only looked at.
struct JournalScan {
    struct Damage {
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };
    std::uint64_t bytes = 0;     ///< of the file
    std::uint64_t end = 0;       ///< behind the last record
    std::vector<Damage> damage;  ///< what was durable and is not readable, or makes no sense

    /// Of a write that was never finished: the next start cuts it off.
    std::uint64_t torn() const noexcept { return bytes - std::min(bytes, end); }
};

class RecordJournal {
public:
    RecordJournal(FileSystem& file_system, std::string path, JournalKind kind);

    /// Whether open() failed since the file is not what was written, rather than because it can't
    /// be read or is of a newer format.
    static bool is_damaged(const Error& error) noexcept;

    /// Whether open() found fewer bytes than the file had when it was durable last.
    bool was_cut_short() const noexcept { return cut_short_; }

    /// How long a journal was when it was durable last, which its header says; nothing for other
    /// files, and for the registry, of which no byte may be given up.
    static Result<std::optional<std::uint64_t>> durable_size(File& file);

    /// Whether the file is there. Removes what an interrupted rewrite() left.
    Result<bool> exists();

    /// Reads all records; a torn tail is cut off (spool.tail_cut). Damage goes to the sink. Errors:
    /// the file can't be read, its header is damaged, it is of another kind or a newer format.
    Result<void> open(RecordSink& sink, Log& log);

    /// Reads all records of a file and changes nothing. Damage goes to the sink, and what is
    /// missing at the end into the result's `damage`. Errors as with open().
    static Result<JournalScan> inspect(FileSystem& file_system, const std::string& path,
                                       JournalKind kind, RecordSink& sink);

    /// Where the contents of a new file come from, one record after the other.
    class Source {
    public:
        virtual ~Source() = default;

        /// Fills `out`, or gives false when there are no more.
        virtual bool next(JournalRecord& out) = 0;

        /// Why next() gave false although there are more: then no new file is made.
        virtual std::optional<Error> failure() const { return std::nullopt; }
    };

    /// Makes a new file of these records and puts it in the old one's place, which is gone when
    /// this returns. The first record lies at journal_header_size, the others follow. After an
    /// error the old file is still in use, unless it was replaced and only the directory could not
    /// be synced; generation() tells.
    Result<void> rewrite(Source& source, std::uint32_t version = journal_version);
    Result<void> rewrite(std::span<const JournalRecord> records,
                         std::uint32_t version = journal_version);

    // ---- a new file in steps: rewrite() in parts. The file in use can be read and appended to
    // meanwhile; that the new one says the same in the end is the caller's business.

    /// Begins a new file; drops one that was begun before, as rewrite() does.
    Result<void> begin_draft(std::uint32_t version = journal_version);
    bool has_draft() const noexcept { return draft_.has_value(); }
    /// Where the next record will lie; journal_header_size first.
    std::uint64_t draft_end() const noexcept { return draft_->end + draft_->buffer.size(); }
    /// Adds a record. After an error the draft can only be dropped.
    Result<void> draft(const JournalRecord& record);
    Result<void> sync_draft();
    /// Puts the new file in the place of the old one. Errors as with rewrite(); the draft is gone
    /// in any case.
    Result<void> put_draft_in_place();
    void drop_draft();

    /// Adds records in one write and one sync. Gives the offset of the first.
    Result<std::uint64_t> append(std::span<const JournalRecord> records);

    /// Notes in the header that everything written so far is durable: damage at the end can't be
    /// taken for a write that was cut short. For a clean end.
    Result<void> confirm();

    /// Reads all records once more. Errors: open() or rewrite() has not been successful, or a part
    /// can't be read (QueueErrc::unreadable): then the sink may have been given too few records.
    Result<void> scan(RecordSink& sink) const;

    /// Reads one record. Errors: errc::bad_message if it is damaged, others are the disk's.
    Result<JournalRecord> read(std::uint64_t offset, std::size_t size) const;

    /// A write or sync failed: rewrite() has to come before append().
    bool broken() const noexcept { return broken_; }
    /// Counts the files that rewrite() has put into use.
    std::uint64_t generation() const noexcept { return generation_; }
    std::uint64_t end() const noexcept { return end_; }
    /// Of the file in use.
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
        std::uint64_t end;                 ///< of what is written
        std::vector<std::uint8_t> buffer;  ///< what is not
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
