#include "log_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "quarantine.hpp"
#include "write_zeros.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::string_view segment_suffix = ".seg";
constexpr std::string_view index_suffix = ".idx";
constexpr std::string_view spare_suffix = ".spare";
constexpr std::string_view compacted_suffix = ".tmp";
constexpr std::size_t digits = 12;

std::string file_name(std::uint64_t number, std::string_view suffix) {
    return fmt::format("{:0{}}{}", number, digits, suffix);
}

/// Returns the number in the name of a file of the log; nothing for a foreign file.
std::optional<std::uint64_t> number_of(std::string_view name, std::string_view suffix) {
    std::uint64_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    const bool ours = number != 0 && number <= LogFiles::max_number;
    if (!ours || file_name(number, suffix) != name) return std::nullopt;
    return number;
}

}  // namespace

std::string LogFiles::segment_name(std::uint64_t number) {
    return file_name(number, segment_suffix);
}

std::string LogFiles::index_name(std::uint64_t number) {
    return file_name(number, index_suffix);
}

std::string LogFiles::segment_path(std::uint64_t number) const {
    return path_of(segment_name(number));
}

std::string LogFiles::index_path(std::uint64_t number) const {
    return path_of(index_name(number));
}

std::string LogFiles::spare_path(std::uint64_t number) const {
    return path_of(file_name(number, spare_suffix));
}

std::string LogFiles::compacted_path(std::uint64_t number) const {
    return path_of(file_name(number, compacted_suffix));
}

Result<std::vector<std::uint64_t>> LogFiles::scan(std::uint64_t spare_size) {
    const auto names = file_system_.list(directory_);
    if (names.has_error()) return names.error();
    std::vector<std::uint64_t> segments;
    for (const std::string& name : *names) {
        if (const auto number = number_of(name, segment_suffix)) segments.push_back(*number);
        // Left by a compaction or by declare_damaged().
        const bool unfinished = number_of(name, compacted_suffix) || name.ends_with(".seg.tmp");
        if (unfinished) {
            if (auto removed = file_system_.remove(path_of(name)); removed.has_error()) {
                return removed.error();
            }
        }
        if (const auto spare = number_of(name, spare_suffix)) {
            if (auto done = adopt_spare(*spare, spare_size); done.has_error()) return done.error();
        }
    }
    std::ranges::sort(segments);
    for (const std::string& name : *names) {
        const auto number = number_of(name, index_suffix);
        if (!number || std::ranges::binary_search(segments, *number)) continue;
        if (auto removed = file_system_.remove(path_of(name)); removed.has_error()) {
            return removed.error();
        }
    }
    return segments;
}

// --- spares --------------------------------------------------------------------------------------

Result<void> LogFiles::adopt_spare(std::uint64_t number, std::uint64_t spare_size) {
    next_spare_ = std::max(next_spare_, number + 1);
    auto file = file_system_.open(spare_path(number));
    if (file.has_error()) return file.error();
    const auto size = (*file)->size();
    if (size.has_error()) return size.error();
    if (*size == spare_size) {
        spares_.push_back({std::move(*file), number, true, false, 0, 0});
        return {};
    }
    // Incomplete when the process ended, or of another segment_size.
    return file_system_.remove(spare_path(number));
}

Result<void> LogFiles::add_spare(std::uint64_t size) {
    const std::uint64_t number = next_spare_++;
    const std::string path = spare_path(number);
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
    spares_.push_back({std::move(*file), number, false, false, 0, 0});
    return {};
}

Result<void> LogFiles::remove_spare() {
    auto removed = file_system_.remove(spare_path(spares_.back().number));
    if (removed.has_value()) spares_.pop_back();
    return removed;
}

Result<bool> LogFiles::wipe_spares(std::uint64_t size, std::uint64_t number, std::uint64_t budget) {
    const auto spare = std::ranges::find_if(spares_, [number](const Spare& candidate) {
        return candidate.dirty && candidate.wiped_for != number;
    });
    if (spare == spares_.end()) return true;
    const std::uint64_t bytes = std::min(budget, size - spare->cleared);
    auto done = write_zeros(*spare->file, spare->cleared, bytes);
    if (done.has_value()) done = spare->file->sync();
    if (done.has_error()) return done.error();
    spare->cleared += bytes;
    spare->dirty = spare->cleared < size;
    spare->written = spare->written || !spare->dirty;
    return false;
}

Result<void> LogFiles::remove_left_over() {
    const auto names = file_system_.list(directory_);
    if (names.has_error()) return names.error();
    for (const std::string& name : *names) {
        if (!number_of(name, compacted_suffix)) continue;
        if (auto removed = file_system_.remove(path_of(name)); removed.has_error()) return removed;
    }
    return {};
}

// --- segments ------------------------------------------------------------------------------------

Result<void> LogFiles::prepare_segment(const SegmentHeader& header) {
    // Prefer a spare that was written to: writing to it again costs less (docs/architecture.md).
    const auto written = std::ranges::find(spares_, true, &Spare::written);
    const auto spare = written != spares_.end() ? written : spares_.begin();
    std::vector<std::uint8_t> block(segment_header_size);
    write_segment_header(block.data(), header);
    prepared_ = static_cast<std::size_t>(spare - spares_.begin());
    auto done = spare->file->write_at(0, block);
    if (done.has_value()) done = spare->file->sync();
    return done;
}

Result<LogFiles::Begun> LogFiles::begin_segment(std::uint64_t number) {
    const auto spare = spares_.begin() + static_cast<std::ptrdiff_t>(prepared_);
    auto done = file_system_.rename(spare_path(spare->number), segment_path(number));
    if (done.has_value()) done = sync_directory();
    if (done.has_error()) return done.error();
    Spare used = std::move(*spare);
    spares_.erase(spare);
    return Begun{std::move(used.file), used.dirty, used.written, used.wiped_for};
}

Result<bool> LogFiles::retire_segment(std::uint64_t number, std::unique_ptr<File>& file,
                                      bool recycle, std::uint64_t wiped_for) {
    const std::uint64_t spare = next_spare_;
    auto done = recycle ? file_system_.rename(segment_path(number), spare_path(spare))
                        : file_system_.remove(segment_path(number));
    if (done.has_error()) return false;
    // If it stays, scan() removes it at the next start.
    static_cast<void>(file_system_.remove(index_path(number)));
    // Sync before the spare may be written to: otherwise a power failure could bring back its old
    // name with new contents. The outcomes of its events are in later segments, and must not go
    // first.
    done = sync_directory();
    if (done.has_error()) return done.error();
    if (recycle) {
        ++next_spare_;
        spares_.push_back({std::move(file), spare, true, true, wiped_for, 0});
    }
    return true;
}

Result<void> LogFiles::quarantine_segment(std::uint64_t number) {
    const Quarantine quarantine(file_system_, directory_);
    auto done = quarantine.make();
    if (done.has_value()) {
        done = file_system_.move(segment_path(number), quarantine.path_of(segment_name(number)));
    }
    return done;
}

Result<void> LogFiles::remove_if_there(const std::string& path) {
    const auto there = file_system_.exists(path);
    if (there.has_error()) return there.error();
    return *there ? file_system_.remove(path) : Result<void>();
}

// --- indexes -------------------------------------------------------------------------------------

SegmentIndex LogFiles::write_index(std::uint64_t number, std::vector<std::uint8_t> bytes,
                                   IndexPlace place) {
    const std::string path = index_path(number);
    auto index = SegmentIndex::in_memory(std::move(bytes), index_cache_);
    auto done = remove_if_there(path);
    if (done.has_error() || place == IndexPlace::memory) return index;
    auto file = file_system_.create(path);
    if (file.has_error()) return index;
    auto written = (*file)->write_at(0, index.memory());
    // An index is never synced, and an unsynced file stays open: close it and open it again.
    file->reset();
    if (written.has_value()) {
        file = file_system_.open_read_only(path);
        if (file.has_error()) written = file.error();
    }
    if (written.has_error()) {
        static_cast<void>(file_system_.remove(path));
        return index;
    }
    index.move_to(std::move(*file));
    return index;
}

void LogFiles::drop_index(std::uint64_t number) {
    // If this fails, the next start finds the damage again and retries.
    static_cast<void>(remove_if_there(index_path(number)));
}

// --- compaction ----------------------------------------------------------------------------------

Result<std::unique_ptr<File>> LogFiles::create_compacted(std::uint64_t number) {
    return file_system_.create(compacted_path(number));
}

void LogFiles::discard_compacted(std::uint64_t number) {
    // If it stays, scan() removes it at the next start.
    static_cast<void>(file_system_.remove(compacted_path(number)));
}

Result<void> LogFiles::publish_compacted(std::uint64_t number) {
    auto done = remove_if_there(index_path(number));
    if (done.has_value()) {
        done = file_system_.rename(compacted_path(number), segment_path(number));
    }
    if (done.has_value()) done = sync_directory();
    return done;
}

Result<void> LogFiles::remove_replaced(std::uint64_t number) {
    auto done = remove_if_there(index_path(number));
    if (done.has_value()) done = remove_if_there(segment_path(number));
    return done;
}

}  // namespace flowrelay::storage
