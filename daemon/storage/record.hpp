// The record: the unit of which all files of the spool are made. The one place that knows its
// bytes; docs/spool-format.md describes them for people.
//
// A record is a header of 64 bytes and a payload, padded with zeros to a multiple of 8 bytes, at an
// offset that divides by 8. Header and payload have a checksum each (CRC32C, seeded with the salt
// of the file): a length is believed only when its header's checksum is right, and the payload can
// be wiped in place without making the header wrong.
//
// Pure functions: no I/O, no state. Any thread.
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

/// Payloads are shorter than this (1 GiB, the largest segment).
inline constexpr std::uint32_t max_payload_length = 1U << 30;

/// Seqs are at most this: a settlement has its outcome in the 8 bits above them.
inline constexpr Seq max_seq{(std::uint64_t{1} << 56) - 1};

/// What a record is. The values are part of the format; a file holds those of its own kind only.
enum class RecordType : std::uint8_t {
    event = 1,              ///< log: an accepted event
    settlements = 2,        ///< log: what became of events
    settled_before = 3,     ///< log: events that were settled in segments that are there no more
    confirmation = 4,       ///< all files: what lies before it is durable. Has no payload
    registry_salt = 16,     ///< registry: the salt of the fingerprints
    token = 17,             ///< registry: the present state of a slot
    hold = 18,              ///< registry: a wait that the server has asked for
    letter = 32,            ///< dead letters: one of them
    letters_removed = 33,   ///< dead letters: seqs that are none: their events are queued
    letters_left = 34,      ///< dead letters: seqs that are there no more, and how they ended
    letters_replayed = 35,  ///< dead letters: seqs that are to be delivered after all
    letter_books = 36,      ///< dead letters: what became of those that are there no more
    known_ids = 48          ///< known ids: of events that may have left the log
};

/// Bits of the header's `flags`.
inline constexpr std::uint8_t record_flag_own_id = 1;    ///< event, letter: EventRecord::own_id
inline constexpr std::uint8_t record_flag_producer = 2;  ///< event, letter: its producer is known

/// Which write a record was part of. One commit is one write and one sync, so a commit that is
/// followed by another was made durable as a whole; recovery tells a torn tail from damage by that.
struct CommitMark {
    std::uint32_t number = 0;  ///< counts the attempts in the life of a file, from 1
    std::uint32_t offset = 0;  ///< in the file, of the commit's first record

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

/// Bytes that a record with a payload of this length takes, padding included.
constexpr std::size_t record_size(std::size_t payload_length) noexcept {
    constexpr std::size_t mask = record_alignment - 1;
    return record_header_size + ((payload_length + mask) & ~mask);
}
constexpr std::size_t record_size(const RecordHeader& header) noexcept {
    return record_size(header.payload_length);
}

/// Completes a record whose payload lies at `record + record_header_size` already: its checksum,
/// the header (payload_crc and payload_length of `header` are taken from `payload_length` and the
/// bytes) and the padding. `record` has room for record_size(payload_length). Gives that size.
std::size_t seal_record(std::uint8_t* record, RecordHeader header, std::size_t payload_length,
                        std::uint32_t salt) noexcept;

/// Reads a header; nothing if the checksum is wrong or a field can't be. `bytes` holds at least
/// record_header_size.
std::optional<RecordHeader> parse_record_header(std::span<const std::uint8_t> bytes,
                                                std::uint32_t salt) noexcept;

/// Whether the payload is the one that was written. `payload` is payload_length long.
bool payload_intact(const RecordHeader& header, std::span<const std::uint8_t> payload,
                    std::uint32_t salt) noexcept;

/// Writes a confirmation: a commit of its own. `highest`: all seqs before it are at most this.
/// `out` has room for record_header_size.
void write_confirmation(std::uint8_t* out, Seq highest, CommitMark commit,
                        std::uint32_t salt) noexcept;

// --- producer ----------------------------------------------------------------------------------

/// The flags of a record that holds this event.
std::uint8_t event_flags(const core::EventRecord& event) noexcept;

/// Bytes that the producer takes in the payload: 0 when it is not known. Throws
/// std::invalid_argument when its unit is longer than 255 bytes.
std::size_t producer_size(const core::EventRecord& event);

/// Writes them; gives the place behind.
std::uint8_t* write_producer(std::uint8_t* out, const core::EventRecord& event) noexcept;

/// Reads a producer and takes its bytes from the front of `text`; nothing if they make no sense.
std::optional<core::Producer> read_producer(std::string_view& text);

// --- event -------------------------------------------------------------------------------------

/// Bytes of the whole record of an event. Throws std::invalid_argument for an id that is empty or
/// longer than 255 bytes, a thread of more than 65535 or a body that is too long: core has refused
/// those.
std::size_t event_record_size(const core::EventRecord& event);

/// Writes the record of an event; `out` has room for event_record_size(). Gives that size.
std::size_t write_event(std::uint8_t* out, const core::EventRecord& event, Seq seq,
                        CommitMark commit, std::uint32_t salt);

/// The event of a record whose payload is intact; nothing if the payload makes no sense.
std::optional<core::EventRecord> read_event(const RecordHeader& header,
                                            std::span<const std::uint8_t> payload);

/// Its id alone; it lies in the payload.
std::optional<std::string_view> read_event_id(const RecordHeader& header,
                                              std::span<const std::uint8_t> payload);

// --- settlements -------------------------------------------------------------------------------

inline constexpr std::size_t settlement_size = 8;

constexpr std::size_t settlements_record_size(std::size_t count) noexcept {
    return record_size(count * settlement_size);
}

/// Writes one record with all of them; `out` has room for settlements_record_size(). Gives that
/// size. Seqs are at most max_seq.
std::size_t write_settlements(std::uint8_t* out, std::span<const core::Settlement> settlements,
                              CommitMark commit, std::uint32_t salt) noexcept;

/// The settlements of an intact payload; nothing if one of them makes no sense.
std::optional<std::vector<core::Settlement>> read_settlements(
    std::span<const std::uint8_t> payload);

// --- settled before ----------------------------------------------------------------------------

/// `count` seqs from `first` on.
struct SeqRange {
    Seq first = Seq::none;
    std::uint64_t count = 0;

    friend bool operator==(const SeqRange&, const SeqRange&) = default;
};

inline constexpr std::size_t seq_range_size = 16;

constexpr std::size_t settled_before_record_size(std::size_t count) noexcept {
    return record_size(count * seq_range_size);
}

/// Writes one record with all of them; `out` has room for settled_before_record_size(). Gives that
/// size.
std::size_t write_settled_before(std::uint8_t* out, std::span<const SeqRange> ranges,
                                 CommitMark commit, std::uint32_t salt) noexcept;

/// The ranges of an intact payload; nothing if they make no sense: they ascend, without overlaps.
std::optional<std::vector<SeqRange>> read_settled_before(std::span<const std::uint8_t> payload);

}  // namespace flowrelay::storage
