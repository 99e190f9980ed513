// The index of a sealed segment: which of its events are still queued, found by seq and by token,
// without reading the segment. Derived: whatever is in it follows from the segment's records, so it
// is never synced, and made anew when it is missing, stale or damaged. The one place that knows its
// bytes; docs/spool-format.md describes them for people.
//
// A SegmentIndex is used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "index_cache.hpp"
#include "record.hpp"

namespace flowrelay::storage {

/// What is to be known of an event without reading its record.
struct IndexedEvent {
    Seq seq = Seq::none;
    TokenId token = TokenId::none;
    std::uint64_t thread_hash = 0;
    WallTime accepted;
    WallTime expires;
    std::uint32_t offset = 0;  ///< of its record in the segment
    std::uint32_t bytes = 0;   ///< of its record, padding included

    friend bool operator==(const IndexedEvent&, const IndexedEvent&) = default;
};

/// Many of them, by seq: a deque grows without a second copy of itself.
using IndexedEvents = std::deque<IndexedEvent>;

/// What an index is made of.
struct IndexContents {
    std::uint64_t number = 0;  ///< of the segment
    std::uint32_t salt = 0;    ///< of the segment: tells an index of a former life
    std::uint64_t end = 0;     ///< of the segment's records
    Seq highest_seq = Seq::none;
    WallTime newest_own_id = WallTime::min();  ///< of acceptance, among events with own_id
    bool damaged = false;                      ///< some bytes hold no readable record

    IndexedEvents events;           ///< by seq: those that no record of the segment settles
    std::vector<TokenId> tokens;    ///< ascending: of all events, settled ones too
    std::vector<SeqRange> settled;  ///< ascending: outcomes for events of earlier segments
};

/// The whole index, in blocks with a checksum each.
std::vector<std::uint8_t> encode_index(const IndexContents& contents);

class SegmentIndex {
public:
    /// An index in a file. An error if it is not the one of this segment, not whole, or of another
    /// format. Blocks are checked as they are read, so each later call may find damage as well.
    static Result<SegmentIndex> open(std::unique_ptr<File> file, std::uint64_t number,
                                     std::uint32_t salt, std::shared_ptr<IndexCache> cache);

    /// What encode_index() gave, kept in memory until it is moved to a file.
    static SegmentIndex in_memory(std::vector<std::uint8_t> bytes,
                                  std::shared_ptr<IndexCache> cache);
    std::span<const std::uint8_t> memory() const noexcept { return memory_; }

    /// From now on it is read from this file, to which memory() was written; that is given back.
    void move_to(std::unique_ptr<File> file);

    std::uint64_t end() const noexcept { return end_; }
    Seq highest_seq() const noexcept { return highest_seq_; }
    WallTime newest_own_id() const noexcept { return newest_own_id_; }
    bool damaged() const noexcept { return damaged_; }
    std::size_t size() const noexcept { return events_; }                ///< events in it
    std::uint64_t event_bytes() const noexcept { return event_bytes_; }  ///< of their records
    std::uint64_t bytes() const noexcept { return blocks_ * index_block_size; }
    bool on_disk() const noexcept { return file_ != nullptr; }

    /// The event at a place; `ordinal` < size().
    Result<IndexedEvent> at(std::size_t ordinal) const;
    Result<Seq> seq_at(std::size_t ordinal) const;

    /// The first place with a seq that is not below this one; size() if there is none.
    Result<std::size_t> lower_bound(Seq seq) const;

    /// The place of an event, if it is here.
    Result<std::optional<std::size_t>> find(Seq seq) const;

    /// The events of a token: so many places in the list of by_token().
    struct TokenRun {
        TokenId token = TokenId::none;
        std::size_t begin = 0;
        std::size_t count = 0;  ///< 0: all its events are settled
    };
    std::size_t tokens() const noexcept { return tokens_; }
    Result<TokenRun> token_at(std::size_t place) const;  ///< place < tokens(); ascending
    Result<std::optional<TokenRun>> find(TokenId token) const;

    /// Places of events, sorted by token and then by seq; place < size().
    Result<std::size_t> by_token(std::size_t place) const;

    std::size_t settled_ranges() const noexcept { return settled_; }
    Result<SeqRange> settled_at(std::size_t place) const;  ///< place < settled_ranges()

private:
    struct Section {
        std::size_t first_block = 0;
        std::size_t row_size = 0;
    };

    explicit SegmentIndex(std::shared_ptr<IndexCache> cache);
    Result<void> read_header(std::uint64_t number, std::uint32_t salt);
    Result<void> read_block(std::size_t number, std::span<std::uint8_t> out) const;
    Result<const std::uint8_t*> row(const Section& section, std::size_t place) const;

    std::unique_ptr<File> file_;
    std::vector<std::uint8_t> memory_;
    std::uint64_t number_ = 0;
    std::uint32_t salt_ = 0;
    std::uint64_t end_ = 0;
    Seq highest_seq_ = Seq::none;
    WallTime newest_own_id_ = WallTime::min();
    bool damaged_ = false;
    std::size_t events_ = 0;
    std::uint64_t event_bytes_ = 0;
    std::size_t tokens_ = 0;
    std::size_t settled_ = 0;
    std::size_t blocks_ = 0;
    Seq first_seq_ = Seq::none;
    bool dense_ = false;  ///< the seqs have no gaps: places follow from them
    Section events_section_;
    Section by_token_section_;
    Section tokens_section_;
    Section settled_section_;

    std::shared_ptr<IndexCache> cache_;
    std::uint64_t owner_;  ///< of its blocks in the cache
};

}  // namespace flowrelay::storage
