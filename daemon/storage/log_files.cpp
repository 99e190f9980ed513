#include "log_files.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace flowrelay::storage {

namespace {

constexpr std::string_view segment_suffix = ".seg";
constexpr std::string_view spare_suffix = ".spare";
constexpr std::size_t digits = 12;

std::string file_name(std::uint64_t number, std::string_view suffix) {
    return fmt::format("{:0{}}{}", number, digits, suffix);
}

/// The number in a name of ours; nothing for a foreign file.
std::optional<std::uint64_t> number_of(std::string_view name, std::string_view suffix) {
    std::uint64_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    if (number == 0 || file_name(number, suffix) != name) return std::nullopt;
    return number;
}

}  // namespace

std::string LogFiles::segment_name(std::uint64_t number) {
    return file_name(number, segment_suffix);
}

std::string LogFiles::segment_path(std::uint64_t number) const {
    return path_of(segment_name(number));
}

Result<std::vector<std::uint64_t>> LogFiles::scan(std::uint64_t spare_size) {
    const auto names = file_system_.list(directory_);
    if (names.has_error()) return names.error();
    std::vector<std::uint64_t> segments;
    for (const std::string& name : *names) {
        if (const auto number = number_of(name, segment_suffix)) segments.push_back(*number);
        const auto spare = number_of(name, spare_suffix);
        if (!spare) continue;
        next_spare_ = std::max(next_spare_, *spare + 1);
        auto file = file_system_.open(path_of(name));
        if (file.has_error()) return file.error();
        const auto size = (*file)->size();
        if (size.has_error()) return size.error();
        if (*size == spare_size) {
            spares_.push_back(*spare);
            continue;
        }
        // Half made when the process ended, or of another segment_size.
        if (auto removed = file_system_.remove(path_of(name)); removed.has_error()) {
            return removed.error();
        }
    }
    std::sort(segments.begin(), segments.end());
    return segments;
}

Result<void> LogFiles::add_spare(std::uint64_t size) {
    const std::uint64_t number = next_spare_++;
    const std::string path = path_of(file_name(number, spare_suffix));
    auto file = file_system_.create(path);
    if (file.has_error()) return file.error();
    auto done = (*file)->allocate(size);
    if (done.has_value()) done = (*file)->sync();
    if (done.has_value()) done = sync_directory();
    if (done.has_error()) {
        file->reset();
        // If it stays, scan() removes it at the next start.
        static_cast<void>(file_system_.remove(path));
        return done.error();
    }
    spares_.push_back(number);
    return {};
}

Result<void> LogFiles::remove_spare() {
    auto removed = file_system_.remove(path_of(file_name(spares_.back(), spare_suffix)));
    if (removed.has_value()) spares_.pop_back();
    return removed;
}

Result<std::unique_ptr<File>> LogFiles::begin_segment(const SegmentHeader& header) {
    const std::string spare = path_of(file_name(spares_.front(), spare_suffix));
    auto file = file_system_.open(spare);
    if (file.has_error()) return file.error();
    std::vector<std::uint8_t> block(segment_header_size);
    write_segment_header(block.data(), header);
    auto done = (*file)->write_at(0, block);
    if (done.has_value()) done = (*file)->sync();
    if (done.has_value()) done = file_system_.rename(spare, segment_path(header.number));
    if (done.has_error()) return done.error();
    spares_.erase(spares_.begin());
    done = sync_directory();
    if (done.has_error()) return done.error();
    return file;
}

}  // namespace flowrelay::storage
