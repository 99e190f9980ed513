// The record: the unit of all files of the spool. Only this code knows its bytes;
// docs/spool-format.md describes them for people.
//
// A record is a header of 64 bytes and a payload, padded with zeros to a multiple of 8 bytes, at an
// offset divisible by 8. Header and payload have separate checksums (CRC32C, seeded with the salt
// of the file): a length is trusted only if the header's checksum is correct, and a payload can be
// wiped in place without invalidating the header.
//
// Pure functions: no I/O, no state. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::storage {

inline constexpr std::size_t record_alignment = 8;
inline constexpr std::size_t record_header_size = 64;

/// Payloads are shorter than this (1 GiB, the maximum size of a segment).
inline constexpr std::uint32_t max_payload_length = 1U << 30;

/// The maximum seq: a settlement stores its outcome in the 8 bits above.
inline constexpr Seq max_seq{(std::uint64_t{1} << 56) - 1};

/// The type of a record. The values are part of the format; a file has only the types of its kind.
enum class RecordType : std::uint8_t {
    event = 1,              ///< log: an accepted event
    settlements = 2,        ///< log: outcomes of events
    settled_before = 3,     ///< log: events that were settled by segments that are gone
    confirmation = 4,       ///< all files: everything before it is durable. No payload
    registry_salt = 16,     ///< registry: the salt of the fingerprints
    token = 17,             ///< registry: the current state of a slot
    hold = 18,              ///< registry: a deferral (Retry-After)
    letter = 32,            ///< dead letters: a letter
    letters_removed = 33,   ///< dead letters: withdrawn seqs, whose events are queued
    letters_left = 34,      ///< dead letters: seqs that left, and their outcomes
    letters_replayed = 35,  ///< dead letters: seqs to be delivered after all
    letter_books = 36,      ///< dead letters: changes to the ledger by letters that left
    known_ids = 48          ///< known ids: ids of events that may have left the log
};

/// Bits of the header's `flags`.
inline constexpr std::uint8_t record_flag_own_id = 1;    ///< event, letter: EventRecord::own_id
inline constexpr std::uint8_t record_flag_producer = 2;  ///< event, letter: its producer is known

/// Identifies the write that a record was part of. A commit is one write and one sync, so a commit
/// that is followed by another was durable as a whole: recovery uses this to distinguish a torn
/// tail from damage.
struct CommitMark {
    std::uint32_t number = 0;  ///< number of the attempt to write to the file, from 1
    std::uint32_t offset = 0;  ///< offset in the file of the commit's first record

    friend bool operator==(const CommitMark&, const CommitMark&) = default;
};

struct RecordHeader {
    std::uint32_t payload_crc = 0;
    std::uint32_t payload_length = 0;
    RecordType type = RecordType::event;
    std::uint8_t flags = 0;
    CommitMark commit;
    Seq seq = Seq::none;            ///< event, letter
    TokenId token = TokenId::none;  ///< event, letter, token
    std::uint64_t thread_hash = 0;  ///< event, letter
    WallTime accepted;              ///< event, letter
    WallTime expires;               ///< event, letter

    friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

/// Returns the size of a record with a payload of this length, including padding.
constexpr std::size_t record_size(std::size_t payload_length) noexcept {
    constexpr std::size_t mask = record_alignment - 1;
    return record_header_size + ((payload_length + mask) & ~mask);
}
constexpr std::size_t record_size(const RecordHeader& header) noexcept {
    return record_size(header.payload_length);
}

/// Completes a record whose payload is already at `record + record_header_size`: writes the header,
/// the checksums and the padding (payload_crc and payload_length of `header` are ignored). `record`
/// must have room for record_size(payload_length). Returns that size.
std::size_t seal_record(std::uint8_t* record, RecordHeader header, std::size_t payload_length,
                        std::uint32_t salt) noexcept;

/// Reads a header; nothing if the checksum is wrong or a field can't be. `bytes` holds at least
/// record_header_size.
std::optional<RecordHeader> parse_record_header(std::span<const std::uint8_t> bytes,
                                                std::uint32_t salt) noexcept;

/// Whether the payload matches its checksum. `payload` must have payload_length bytes.
bool payload_intact(const RecordHeader& header, std::span<const std::uint8_t> payload,
                    std::uint32_t salt) noexcept;

/// Writes a confirmation, which is a commit of its own. `highest`: upper bound of all seqs before
/// it. `out` must have room for record_header_size.
void write_confirmation(std::uint8_t* out, Seq highest, CommitMark commit,
                        std::uint32_t salt) noexcept;

// --- producer ----------------------------------------------------------------------------------

/// Returns the flags of the record of this event.
std::uint8_t event_flags(const core::EventRecord& event) noexcept;

/// Returns the size of the producer in the payload: 0 if it is not known. Throws
/// std::invalid_argument if its unit is longer than 255 bytes.
std::size_t producer_size(const core::EventRecord& event);

/// Writes the producer; returns the position after it.
std::uint8_t* write_producer(std::uint8_t* out, const core::EventRecord& event) noexcept;

/// Parses a producer and removes its bytes from the front of `text`; returns nothing if they are
/// invalid.
std::optional<core::Producer> read_producer(std::string_view& text);

// --- event -------------------------------------------------------------------------------------

/// Returns the size of the whole record of an event. Throws std::invalid_argument if the id is
/// empty or longer than 255 bytes, the thread longer than 65535, or the body too long: core has
/// rejected such events before.
std::size_t event_record_size(const core::EventRecord& event);

/// Writes the record of an event; `out` must have room for event_record_size(). Returns that size.
std::size_t write_event(std::uint8_t* out, const core::EventRecord& event, Seq seq,
                        CommitMark commit, std::uint32_t salt);

/// Parses the event of a record whose payload is intact; returns nothing if the payload is invalid.
std::optional<core::EventRecord> read_event(const RecordHeader& header,
                                            std::span<const std::uint8_t> payload);

/// Parses only the id of an event. Returns a view into the payload, or nothing if that is invalid.
std::optional<std::string_view> read_event_id(const RecordHeader& header,
                                              std::span<const std::uint8_t> payload);

// --- settlements -------------------------------------------------------------------------------

inline constexpr std::size_t settlement_size = 8;

constexpr std::size_t settlements_record_size(std::size_t count) noexcept {
    return record_size(count * settlement_size);
}

/// Writes one record with all settlements; `out` must have room for settlements_record_size().
/// Returns that size. Seqs must be at most max_seq.
std::size_t write_settlements(std::uint8_t* out, std::span<const core::Settlement> settlements,
                              CommitMark commit, std::uint32_t salt) noexcept;

/// Parses the settlements of an intact payload; returns nothing if one of them is invalid.
std::optional<std::vector<core::Settlement>> read_settlements(
    std::span<const std::uint8_t> payload);

// --- settled before ----------------------------------------------------------------------------

/// A range of `count` seqs, starting with `first`.
struct SeqRange {
    Seq first = Seq::none;
    std::uint64_t count = 0;

    friend bool operator==(const SeqRange&, const SeqRange&) = default;
};

inline constexpr std::size_t seq_range_size = 16;

constexpr std::size_t settled_before_record_size(std::size_t count) noexcept {
    return record_size(count * seq_range_size);
}

/// Writes one record with all ranges; `out` must have room for settled_before_record_size().
/// Returns that size.
std::size_t write_settled_before(std::uint8_t* out, std::span<const SeqRange> ranges,
                                 CommitMark commit, std::uint32_t salt) noexcept;

/// Parses the ranges of an intact payload; returns nothing unless they ascend without overlaps.
std::optional<std::vector<SeqRange>> read_settled_before(std::span<const std::uint8_t> payload);

}  // namespace flowrelay::storage
