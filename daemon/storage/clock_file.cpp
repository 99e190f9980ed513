#include "flowrelay/storage/clock_file.hpp"

#include <algorithm>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/storage/replace_file.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::string_view clock_magic = "FRCLOCK1";
constexpr std::size_t boot_id_size = 36;
constexpr std::size_t checksum_at = clock_file_size - 4;

void put(std::uint8_t* out, std::int64_t milliseconds) {
    store_le(out, static_cast<std::uint64_t>(milliseconds));
}

std::int64_t get(const std::uint8_t* in) {
    return static_cast<std::int64_t>(load_le<std::uint64_t>(in));
}

}  // namespace

std::array<std::uint8_t, clock_file_size> encode(const core::ClockAnchor& anchor) {
    std::array<std::uint8_t, clock_file_size> bytes{};
    std::ranges::copy(clock_magic, bytes.begin());
    put(&bytes[8], anchor.timeline.time_since_epoch().count());
    put(&bytes[16], anchor.wall.time_since_epoch().count());
    put(&bytes[24], anchor.since_boot.count());
    std::ranges::copy(std::string_view(anchor.boot_id).substr(0, boot_id_size), &bytes[32]);
    store_le(&bytes[checksum_at], crc32c(std::span(bytes).first(checksum_at)));
    return bytes;
}

std::optional<core::ClockAnchor> decode_clock(std::span<const std::uint8_t> bytes) {
    if (bytes.size() != clock_file_size || !as_text(bytes).starts_with(clock_magic))
        return std::nullopt;
    if (load_le<std::uint32_t>(&bytes[checksum_at]) != crc32c(bytes.first(checksum_at))) {
        return std::nullopt;
    }
    core::ClockAnchor anchor;
    anchor.timeline = WallTime(Milliseconds(get(&bytes[8])));
    anchor.wall = WallTime(Milliseconds(get(&bytes[16])));
    anchor.since_boot = Milliseconds(get(&bytes[24]));
    const auto id = as_text(bytes.subspan(32, boot_id_size));
    anchor.boot_id = id.substr(0, std::min(id.size(), id.find('\0')));
    return anchor;
}

Result<std::optional<core::ClockAnchor>> read_clock(FileSystem& file_system,
                                                    const std::string& path) {
    const auto exists = file_system.exists(path);
    if (exists.has_error()) return exists.error();
    if (!*exists) return std::optional<core::ClockAnchor>();
    const auto file = file_system.open_read_only(path);
    if (file.has_error()) return file.error();
    std::array<std::uint8_t, clock_file_size> bytes{};
    const auto read = (*file)->read_at(0, bytes);
    if (read.has_error()) return read.error();
    return decode_clock(std::span<const std::uint8_t>(bytes).first(*read));
}

Result<void> write_clock(FileSystem& file_system, const std::string& path,
                         const core::ClockAnchor& anchor) {
    return replace_file(file_system, path, encode(anchor));
}

}  // namespace flowrelay::storage
