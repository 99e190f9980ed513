// The index of a sealed segment: finds its queued events by seq and by token without reading the
// segment. Derived from the segment's records, so it is never synced, and rebuilt if it is missing,
// stale or damaged. Only this code knows its bytes; docs/spool-format.md describes them for people.
//
// One thread at a time per SegmentIndex.
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

/// What is known of an event without reading its record.
struct IndexedEvent {
    Seq seq = Seq::none;
    TokenId token = TokenId::none;
    std::uint64_t thread_hash = 0;
    WallTime accepted;
    WallTime expires;
    std::uint32_t offset = 0;  ///< offset of its record in the segment
    std::uint32_t bytes = 0;   ///< size of its record, including padding

    friend bool operator==(const IndexedEvent&, const IndexedEvent&) = default;
};

/// Events by seq. A deque grows without copying all of them.
using IndexedEvents = std::deque<IndexedEvent>;

/// The contents of an index.
struct IndexContents {
    std::uint64_t number = 0;  ///< number of the segment
    std::uint32_t salt = 0;    ///< salt of the segment: reveals a stale index
    std::uint64_t end = 0;     ///< end of the segment's records
    Seq highest_seq = Seq::none;
    WallTime newest_own_id = WallTime::min();  ///< newest acceptance among events with own_id
    bool damaged = false;                      ///< some bytes hold no readable record

    IndexedEvents events;           ///< by seq: events that no record of the segment settles
    std::vector<TokenId> tokens;    ///< ascending: tokens of all events, also settled ones
    std::vector<SeqRange> settled;  ///< ascending: outcomes for events of earlier segments
};

/// Encodes the whole index, in blocks with a checksum each.
std::vector<std::uint8_t> encode_index(const IndexContents& contents);

class SegmentIndex {
public:
    /// Opens an index file. Errors: it belongs to another segment, is incomplete, or has another
    /// format. Blocks are checked as they are read, so any later call can find damage too.
    static Result<SegmentIndex> open(std::unique_ptr<File> file, std::uint64_t number,
                                     std::uint32_t salt, std::shared_ptr<IndexCache> cache);

    /// Makes an index from the result of encode_index(), in memory until move_to().
    static SegmentIndex in_memory(std::vector<std::uint8_t> bytes,
                                  std::shared_ptr<IndexCache> cache);
    std::span<const std::uint8_t> memory() const noexcept { return memory_; }

    /// Switches to reading from this file, to which memory() was written, and frees the memory.
    void move_to(std::unique_ptr<File> file);

    std::uint64_t end() const noexcept { return end_; }
    Seq highest_seq() const noexcept { return highest_seq_; }
    WallTime newest_own_id() const noexcept { return newest_own_id_; }
    bool damaged() const noexcept { return damaged_; }
    std::size_t size() const noexcept { return events_; }                ///< number of events
    std::uint64_t event_bytes() const noexcept { return event_bytes_; }  ///< size of their records
    std::uint64_t bytes() const noexcept { return blocks_ * index_block_size; }
    bool on_disk() const noexcept { return file_ != nullptr; }

    /// Returns the event at a position; `ordinal` < size().
    Result<IndexedEvent> at(std::size_t ordinal) const;
    Result<Seq> seq_at(std::size_t ordinal) const;

    /// Returns the first position whose seq is not below `seq`; size() if there is none.
    Result<std::size_t> lower_bound(Seq seq) const;

    /// Returns the position of an event, if it is here.
    Result<std::optional<std::size_t>> find(Seq seq) const;

    /// The events of a token: `count` places from `begin` on in the list of by_token().
    struct TokenRun {
        TokenId token = TokenId::none;
        std::size_t begin = 0;
        std::size_t count = 0;  ///< 0: all its events are settled
    };
    std::size_t tokens() const noexcept { return tokens_; }
    Result<TokenRun> token_at(std::size_t place) const;  ///< place < tokens(); ascending
    Result<std::optional<TokenRun>> find(TokenId token) const;

    /// Returns the position of an event in the list sorted by token, then by seq; place < size().
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
    bool dense_ = false;  ///< the seqs have no gaps: positions follow from them
    Section events_section_;
    Section by_token_section_;
    Section tokens_section_;
    Section settled_section_;

    std::shared_ptr<IndexCache> cache_;
    std::uint64_t owner_;  ///< owner of its blocks in the cache
};

}  // namespace flowrelay::storage
