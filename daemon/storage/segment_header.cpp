#include "segment_header.hpp"

#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "flowrelay/base/bytes.hpp"
#include "ledger_columns.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::string_view segment_magic = "FlowrSeg";

// A copy has 512 bytes and fits into one sector. Magic, version and checksum keep their offsets in
// all future versions.
constexpr std::size_t copy_size = 512;
constexpr std::array<std::size_t, 2> copies = {0, 2048};
constexpr std::size_t at_version = 8;
constexpr std::size_t at_salt = 12;
constexpr std::size_t at_number = 16;
constexpr std::size_t at_next_seq = 24;
constexpr std::size_t at_previous_end = 32;
constexpr std::size_t at_ledger = 40;
constexpr std::size_t at_replaces_from = 88;
constexpr std::size_t at_own_end = 96;
constexpr std::size_t at_size = 104;
constexpr std::size_t at_log = 112;
constexpr std::size_t at_durable_end = 120;
constexpr std::size_t at_durable_seq = 128;
constexpr std::size_t at_lost = 136;
constexpr std::size_t at_loss_time = 144;
constexpr std::size_t at_loss_uid = 152;
constexpr std::size_t at_skipped_seqs = 160;
constexpr std::size_t at_crc = copy_size - 4;

std::optional<SegmentHeader> parse_copy(const std::uint8_t* copy) noexcept {
    if (std::memcmp(copy, segment_magic.data(), segment_magic.size()) != 0) return std::nullopt;
    if (load_le<std::uint32_t>(copy + at_crc) != crc32c({copy, at_crc})) return std::nullopt;
    SegmentHeader header;
    header.version = load_le<std::uint32_t>(copy + at_version);
    header.salt = load_le<std::uint32_t>(copy + at_salt);
    header.number = load_le<std::uint64_t>(copy + at_number);
    header.next_seq = Seq{load_le<std::uint64_t>(copy + at_next_seq)};
    header.previous_end = load_le<std::uint64_t>(copy + at_previous_end);
    load_ledger(copy + at_ledger, header.ledger, first_ledger_columns);
    header.replaces_from = load_le<std::uint64_t>(copy + at_replaces_from);
    header.own_end = load_le<std::uint64_t>(copy + at_own_end);
    header.size = load_le<std::uint64_t>(copy + at_size);
    header.log = load_le<std::uint64_t>(copy + at_log);
    header.durable_end = load_le<std::uint64_t>(copy + at_durable_end);
    header.durable_seq = Seq{load_le<std::uint64_t>(copy + at_durable_seq)};
    header.ledger.lost = load_le<std::uint64_t>(copy + at_lost);
    header.skipped_seqs = load_le<std::uint64_t>(copy + at_skipped_seqs);
    if (const auto at = load_le<std::uint64_t>(copy + at_loss_time); at != 0) {
        header.last_loss = {WallTime(Milliseconds(static_cast<std::int64_t>(at))),
                            load_le<std::uint32_t>(copy + at_loss_uid)};
    }
    return header;
}

}  // namespace

void write_segment_header(std::uint8_t* block, const SegmentHeader& header) noexcept {
    std::memset(block, 0, segment_header_size);
    std::memcpy(block, segment_magic.data(), segment_magic.size());
    store_le(block + at_version, header.version);
    store_le(block + at_salt, header.salt);
    store_le(block + at_number, header.number);
    store_le(block + at_next_seq, to_number(header.next_seq));
    store_le(block + at_previous_end, header.previous_end);
    store_ledger(block + at_ledger, header.ledger, first_ledger_columns);
    store_le(block + at_replaces_from, header.replaces_from);
    store_le(block + at_own_end, header.own_end);
    store_le(block + at_size, header.size);
    store_le(block + at_log, header.log);
    store_le(block + at_durable_end, header.durable_end);
    store_le(block + at_durable_seq, to_number(header.durable_seq));
    store_le(block + at_lost, header.ledger.lost);
    store_le(block + at_skipped_seqs, header.skipped_seqs);
    if (header.last_loss) {
        const auto at = header.last_loss->at.time_since_epoch().count();
        store_le(block + at_loss_time, static_cast<std::uint64_t>(static_cast<std::int64_t>(at)));
        store_le(block + at_loss_uid, header.last_loss->uid);
    }
    store_le(block + at_crc, crc32c({block, at_crc}));
    std::memcpy(block + copies[1], block, copy_size);
}

ParsedSegmentHeader parse_segment_header(std::span<const std::uint8_t> block) noexcept {
    for (const std::size_t offset : copies) {
        if (block.size() < offset + copy_size) break;
        const auto header = parse_copy(block.data() + offset);
        if (!header) continue;
        const bool newer = header->version > segment_format_version;
        return {newer ? ParsedSegmentHeader::Status::newer : ParsedSegmentHeader::Status::valid,
                *header};
    }
    return {};
}

}  // namespace flowrelay::storage
