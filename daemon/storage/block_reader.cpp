#include "block_reader.hpp"

#include <algorithm>

namespace flowrelay::storage {

namespace {

constexpr std::size_t max_ahead = 128 * 1024;
// Up to this distance between two records it is cheaper to read on than to start a new read.
constexpr std::uint64_t near = 4096;

}  // namespace

Result<std::span<const std::uint8_t>> BlockReader::read(Segment& segment,
                                                        const IndexedEvent& event) {
    // An index can have a correct checksum and still be wrong: check before reading.
    const std::uint64_t begin = event.offset;
    if (event.bytes < record_header_size || begin + event.bytes > segment.size) {
        return std::span<const std::uint8_t>();
    }
    const bool same = segment_ == segment.header.number && begin >= offset_;
    if (!same || begin + event.bytes > offset_ + bytes_) {
        const bool follows = same && begin <= offset_ + bytes_ + near;
        ahead_ = follows ? std::min(max_ahead, 2 * (ahead_ + event.bytes)) : 0;
        const auto wanted = std::min<std::uint64_t>(event.bytes + ahead_, segment.size - begin);
        segment_ = 0;
        if (block_.size() < wanted) block_.resize(wanted);
        const auto got = segment.file->read_at(begin, std::span(block_).first(wanted));
        if (got.has_error()) return got.error();
        segment_ = segment.header.number;
        offset_ = begin;
        bytes_ = *got;
    }
    const auto at = static_cast<std::size_t>(begin - offset_);
    return std::span<const std::uint8_t>(block_).subspan(
        at, std::min<std::size_t>(event.bytes, bytes_ - at));
}

std::optional<core::EventRecord> parse_event(std::span<const std::uint8_t> bytes, Seq seq,
                                             std::uint32_t salt) {
    if (bytes.size() < record_header_size) return std::nullopt;
    const auto header = parse_record_header(bytes, salt);
    if (!header || header->seq != seq || record_size(*header) != bytes.size()) return std::nullopt;
    const auto payload = bytes.subspan(record_header_size, header->payload_length);
    if (!payload_intact(*header, payload, salt)) return std::nullopt;
    return read_event(*header, payload);
}

std::vector<core::EventRecord> read_records(const std::vector<LogSegments::Place>& places,
                                            std::uint64_t max_bytes) {
    std::vector<core::EventRecord> records;
    if (max_bytes == 0) return records;
    records.reserve(places.size());
    BlockReader reader;
    std::uint64_t taken = 0;
    for (const auto& [segment, event] : places) {
        taken += event.bytes;
        if (taken > max_bytes && !records.empty()) break;
        const auto bytes = reader.read(*segment, event);
        if (bytes.has_error()) break;  // read() of this event reports the error
        auto record = parse_event(*bytes, event.seq, segment->header.salt);
        if (!record) break;
        records.push_back(std::move(*record));
    }
    return records;
}

}  // namespace flowrelay::storage
