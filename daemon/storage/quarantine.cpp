#include "quarantine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "flowrelay/storage/path.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::size_t page_size = 4096;
constexpr std::uint64_t chunk_size = 64 * page_size;

/// Reads as much as the disk still returns.
void read_what_is_left(File& file, std::uint64_t offset, std::span<std::uint8_t> out) {
    if (file.read_at(offset, out).has_value()) return;
    for (std::size_t at = 0; at < out.size(); at += page_size) {
        const auto page = out.subspan(at, std::min(page_size, out.size() - at));
        if (file.read_at(offset + at, page).has_error()) {
            std::ranges::fill(page, std::uint8_t{0});
        }
    }
}

}  // namespace

Result<void> Quarantine::make() const {
    auto done = file_system_.make_directory(directory_);
    if (done.has_value()) done = file_system_.sync_directory(parent_of(directory_));
    return done;
}

Result<std::string> Quarantine::keep(File& file, const std::string& name, std::uint64_t offset,
                                     std::uint64_t bytes) const {
    if (auto made = make(); made.has_error()) return made.error();
    std::string path = path_of(fmt::format("{}.{}-{}", name, offset, offset + bytes));
    const auto there = file_system_.exists(path);
    if (there.has_error()) return there.error();
    if (*there) return path;
    auto copy_file = file_system_.create(path);
    if (copy_file.has_error()) return copy_file.error();
    if (auto done = copy(file, **copy_file, offset, bytes); done.has_error()) {
        copy_file->reset();
        static_cast<void>(file_system_.remove(path));
        return done.error();
    }
    if (auto done = sync(); done.has_error()) return done.error();
    return path;
}

Result<void> Quarantine::copy(File& from, File& to, std::uint64_t offset,
                              std::uint64_t bytes) const {
    // There is nothing to copy beyond the end of the file.
    const auto size = from.size();
    if (size.has_value()) bytes = std::min(bytes, *size - std::min(*size, offset));
    std::vector<std::uint8_t> buffer;
    for (std::uint64_t at = 0; at < bytes; at += chunk_size) {
        buffer.assign(static_cast<std::size_t>(std::min(chunk_size, bytes - at)), 0);
        read_what_is_left(from, offset + at, buffer);
        if (auto done = to.write_at(at, buffer); done.has_error()) return done;
    }
    return to.sync();
}

Result<void> Quarantine::empty() const {
    const auto there = file_system_.exists(directory_);
    if (there.has_error()) return there.error();
    if (!*there) return {};
    const auto names = file_system_.list(directory_);
    if (names.has_error()) return names.error();
    for (const std::string& name : *names) {
        if (auto removed = file_system_.remove(path_of(name)); removed.has_error()) return removed;
    }
    // Sync even if there were no files: an earlier removal may not be durable yet.
    return file_system_.sync_directory(directory_);
}

}  // namespace flowrelay::storage
