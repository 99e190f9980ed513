// The ids that producers chose, for the deduplication window: those in the segments, and in a
// journal those of segments that have left the log before the window was over.
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

    /// What is in a journal. It is not changed, and read as far as it can be.
    struct Contents {
        JournalScan file;
        std::size_t ids = 0;
    };
    static Result<Contents> inspect(FileSystem& file_system, const std::string& path);

    /// `directory`: of the log. Ids are kept for `window` (0: not at all), at most `limit` of them.
    KnownIds(FileSystem& file_system, const std::string& directory, Milliseconds window,
             std::size_t limit, Log& log);

    /// From now on.
    void set_window(Milliseconds window) noexcept { window_ = window; }

    /// Reads the journal. One that is damaged is replaced: without it a repeated event may be taken
    /// twice, which is logged and no reason not to start. One that can't be read is an error.
    Result<void> open();

    /// To be called before a segment leaves the log.
    void keep(const Segment& segment);

    /// Gives the newest `limit` of those accepted since then, older ones first.
    void find(const LogSegments& segments, WallTime since, std::size_t limit,
              const IdRows::Use& use);

    /// Of the journal.
    std::uint64_t bytes() const noexcept { return open_ ? journal_.end() : 0; }

    /// Begins to take out those of some tokens.
    void begin_erasure() { erasure_ = Erasure(); }
    /// Does a bounded piece of it (milliseconds), always with the same tokens. True: none of their
    /// bytes is left in the journal, nor in a file that was to take its place. After an error it
    /// can only be begun again.
    Result<bool> erase_some(const std::unordered_set<TokenId>& tokens);

    /// Where a record of the journal lies.
    struct Place {
        std::uint64_t offset = 0;
        std::size_t size = 0;
    };

private:
    struct Erasure {
        bool begun = false;
        bool copies = false;           ///< otherwise it only looks whether there is anything
        std::uint64_t generation = 0;  ///< of the journal
        std::size_t next = 0;          ///< of the places
        std::vector<Place> copied;     ///< in the new file
        std::size_t kept = 0;          ///< ids in it
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
    bool open_ = false;     ///< there is a file
    std::size_t kept_ = 0;  ///< ids in the journal
    std::vector<Place> places_;
    bool damaged_ = false;  ///< some bytes of it hold no readable record
    Erasure erasure_;
    bool failed_ = false;
};

}  // namespace flowrelay::storage
