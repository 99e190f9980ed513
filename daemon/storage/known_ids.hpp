// Known ids, for the deduplication window: ids chosen by producers, in the segments and, for
// segments that left the log within the window, in a journal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "id_rows.hpp"
#include "log_segments.hpp"
#include "record_journal.hpp"

namespace flowrelay::storage {

class KnownIds {
public:
    using KnownId = EventQueue::KnownId;

    static constexpr const char* file_name = "known-ids";  ///< in the directory of the log

    /// The contents of a journal, as far as it can be read. The file is not changed.
    struct Contents {
        JournalScan file;
        std::size_t ids = 0;
    };
    static Result<Contents> inspect(FileSystem& file_system, const std::string& path);

    /// `directory`: of the log. At most `limit` ids are kept, for `window` (0: none are kept).
    KnownIds(FileSystem& file_system, const std::string& directory, Milliseconds window,
             std::size_t limit, Log& log);

    /// Replaces the window.
    void set_window(Milliseconds window) noexcept { window_ = window; }

    /// Reads the journal. A damaged journal is logged and replaced: without it a repeated event may
    /// be accepted twice, which is no reason not to start. A journal that can't be read is an
    /// error.
    Result<void> open();

    /// Saves the ids of a segment in the journal. To be called before the segment leaves the log.
    void keep(const Segment& segment);

    /// Passes the newest `limit` ids of events accepted since `since` to `use`, oldest first.
    void find(const LogSegments& segments, WallTime since, std::size_t limit,
              const IdRows::Use& use);

    /// Size of the journal.
    std::uint64_t bytes() const noexcept { return open_ ? journal_.end() : 0; }

    /// Begins to erase the ids of some tokens.
    void begin_erasure() { erasure_ = Erasure(); }
    /// Does a bounded piece of the erasure (milliseconds); `tokens` must be the same in each call.
    /// Returns true when none of their bytes is left in the journal or in a file that was to
    /// replace it. After an error it can only be begun again.
    Result<bool> erase_some(const std::unordered_set<TokenId>& tokens);

    /// Position of a record in the journal.
    struct Place {
        std::uint64_t offset = 0;
        std::size_t size = 0;
    };

private:
    struct Erasure {
        bool begun = false;
        bool copies = false;           ///< false: it only checks whether there is anything to erase
        std::uint64_t generation = 0;  ///< generation of the journal
        std::size_t next = 0;          ///< next of places_
        std::vector<Place> copied;     ///< positions in the new file
        std::size_t kept = 0;          ///< number of ids in the new file
    };

    Result<void> begin_pass(bool copies);
    Result<bool> look_at(const Place& place, const std::unordered_set<TokenId>& tokens);
    Result<bool> finish_erasure();

    Result<void> read(const IdRows::Use& use) const;
    Result<void> rewrite(IdRows& older, IdRows* newer = nullptr);
    Result<void> append(IdRows& ids);
    void report(const Error& error);

    std::string path_;
    Milliseconds window_;
    std::size_t limit_;
    Log& log_;
    RecordJournal journal_;
    bool open_ = false;     ///< the file exists
    std::size_t kept_ = 0;  ///< number of ids in the journal
    std::vector<Place> places_;
    bool damaged_ = false;  ///< some bytes of the journal hold no readable record
    Erasure erasure_;
    bool failed_ = false;
};

}  // namespace flowrelay::storage
