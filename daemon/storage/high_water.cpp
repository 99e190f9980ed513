#include "high_water.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/event_queue.hpp"
#include "flowrelay/storage/replace_file.hpp"
#include "ledger_columns.hpp"
#include "record_scanner.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::string_view mark_magic = "FRHIGHWM";
constexpr std::uint32_t mark_version = 1;

// Magic, version and checksum keep their offsets in all future versions.
constexpr std::size_t at_mark_version = 8;
constexpr std::size_t at_mark_log = 16;
constexpr std::size_t at_mark_segment = 24;
constexpr std::size_t at_mark_next_seq = 32;
constexpr std::size_t at_mark_queued = 40;
constexpr std::size_t at_mark_in_newest = 48;
constexpr std::size_t at_mark_ledger = 56;
constexpr std::size_t at_mark_crc = high_water_size - 4;

bool is_whole_mark(std::span<const std::uint8_t> bytes) {
    return bytes.size() == high_water_size && as_text(bytes).starts_with(mark_magic) &&
           load_le<std::uint32_t>(&bytes[at_mark_crc]) == crc32c(bytes.first(at_mark_crc));
}

}  // namespace

std::array<std::uint8_t, high_water_size> encode(const HighWater& mark) {
    std::array<std::uint8_t, high_water_size> bytes{};
    std::ranges::copy(mark_magic, bytes.begin());
    store_le(&bytes[at_mark_version], mark_version);
    store_le(&bytes[at_mark_log], mark.log);
    store_le(&bytes[at_mark_segment], mark.segment);
    store_le(&bytes[at_mark_next_seq], to_number(mark.next_seq));
    store_le(&bytes[at_mark_queued], mark.queued);
    store_le(&bytes[at_mark_in_newest], mark.queued_in_newest);
    store_ledger(&bytes[at_mark_ledger], mark.ledger, ledger_columns.size());
    store_le(&bytes[at_mark_crc], crc32c(std::span(bytes).first(at_mark_crc)));
    return bytes;
}

std::optional<HighWater> decode_high_water(std::span<const std::uint8_t> bytes) {
    if (!is_whole_mark(bytes)) return std::nullopt;
    HighWater mark;
    mark.log = load_le<std::uint64_t>(&bytes[at_mark_log]);
    mark.segment = load_le<std::uint64_t>(&bytes[at_mark_segment]);
    mark.next_seq = Seq{load_le<std::uint64_t>(&bytes[at_mark_next_seq])};
    mark.queued = load_le<std::uint64_t>(&bytes[at_mark_queued]);
    mark.queued_in_newest = load_le<std::uint64_t>(&bytes[at_mark_in_newest]);
    load_ledger(&bytes[at_mark_ledger], mark.ledger, ledger_columns.size());
    return mark;
}

Result<FoundHighWater> read_high_water(FileSystem& file_system, const std::string& path) {
    if (path.empty()) return FoundHighWater{};
    const auto exists = file_system.exists(path);
    if (exists.has_error()) return exists.error();
    if (!*exists) return FoundHighWater{};
    const auto file = file_system.open_read_only(path);
    if (file.has_error()) return file.error();
    const auto size = (*file)->size();
    if (size.has_error()) return size.error();
    std::array<std::uint8_t, high_water_size> bytes{};
    const auto there = static_cast<std::size_t>(std::min<std::uint64_t>(*size, bytes.size()));
    constexpr int tries = 3;  // an error may be transient
    Result<std::size_t> got = (*file)->read_at(0, bytes);
    for (int i = 1; i < tries && (got.has_error() || *got < there); ++i) {
        got = (*file)->read_at(0, bytes);
    }
    if (got.has_error()) return unreadable_error(path, 0, got.error());
    if (*got < there) return unreadable_error(path, *got, short_read_error());
    const auto read = std::span<const std::uint8_t>(bytes).first(*got);
    if (is_whole_mark(read) && load_le<std::uint32_t>(&read[at_mark_version]) > mark_version) {
        return Error{boost::system::errc::make_error_code(boost::system::errc::not_supported),
                     fmt::format("{} has a newer format than this program reads: use the newer "
                                 "flowrelayd that wrote it",
                                 path)};
    }
    auto mark = decode_high_water(read);
    return FoundHighWater{mark, !mark};
}

void HighWaterFile::note(const HighWater& now) {
    if (path_.empty() || written_ == now) return;
    if (replace_file(file_system_, path_, encode(now)).has_value()) written_ = now;
}

std::uint64_t take_books(const HighWater& mark, std::uint64_t queued, core::Ledger& ledger) {
    const std::uint64_t lost =
        std::max(mark.queued_in_newest, mark.queued - std::min(queued, mark.queued));
    ledger = mark.ledger;
    ledger.take_back_outcomes(lost + queued - mark.queued);
    return lost;
}

std::uint64_t settled_again(const core::Ledger& ledger, std::uint64_t queued,
                            std::uint64_t settled) {
    const std::int64_t unaccounted = ledger.unaccounted(queued);
    return unaccounted <= 0 ? 0 : std::min(static_cast<std::uint64_t>(unaccounted), settled);
}

}  // namespace flowrelay::storage
