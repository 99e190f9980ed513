#include "flowrelay/storage/declare_damaged.hpp"

#include <algorithm>
#include <span>

#include "flowrelay/storage/path.hpp"
#include "record_journal.hpp"
#include "write_zeros.hpp"

namespace flowrelay::storage {

namespace {

constexpr std::size_t rescued_page_size = 4096;

/// Reads a page; repeats the read, since an error may be transient.
bool read_page(File& file, std::uint64_t offset, std::span<std::uint8_t> out) {
    constexpr int tries = 3;
    for (int i = 0; i < tries; ++i) {
        const auto got = file.read_at(offset, out);
        if (got.has_value() && *got == out.size()) return true;
    }
    return false;
}

/// Appends zeros for what is missing at the end of a journal that was cut short.
Result<void> give_up_rest(File& copy, std::uint64_t size, std::vector<LostBytes>& lost) {
    const auto whole = RecordJournal::durable_size(copy);
    if (whole.has_error()) return whole.error();
    const std::uint64_t end = whole->value_or(0);
    if (end <= size) return {};
    lost.push_back({size, end - size});
    return write_zeros(copy, size, end - size);
}

Result<std::vector<LostBytes>> copy(File& from, File& to) {
    const auto size = from.size();
    if (size.has_error()) return size.error();
    std::vector<LostBytes> lost;
    std::vector<std::uint8_t> page;
    for (std::uint64_t at = 0; at < *size; at += page.size()) {
        page.resize(
            static_cast<std::size_t>(std::min<std::uint64_t>(rescued_page_size, *size - at)));
        if (!read_page(from, at, page)) {
            std::ranges::fill(page, std::uint8_t{0});
            if (!lost.empty() && lost.back().offset + lost.back().bytes == at) {
                lost.back().bytes += page.size();
            } else {
                lost.push_back({at, page.size()});
            }
        }
        if (auto done = to.write_at(at, page); done.has_error()) return done.error();
    }
    if (auto done = give_up_rest(to, *size, lost); done.has_error()) return done.error();
    if (auto done = to.sync(); done.has_error()) return done.error();
    return lost;
}

}  // namespace

Result<std::vector<LostBytes>> declare_damaged(FileSystem& file_system, const std::string& path) {
    const std::string directory = parent_of(path);
    const auto in_log = file_system.exists(directory + "/lock");
    if (in_log.has_error()) return in_log.error();
    const auto lock = file_system.lock(directory + (*in_log ? "/lock" : "/spool/lock"));
    if (lock.has_error()) return lock.error();
    const auto file = file_system.open_read_only(path);
    if (file.has_error()) return file.error();
    const std::string copy_path = path + ".tmp";
    const auto left = file_system.exists(copy_path);
    if (left.has_error()) return left.error();
    if (*left) {
        if (auto removed = file_system.remove(copy_path); removed.has_error()) {
            return removed.error();
        }
    }
    const auto made = file_system.create(copy_path);
    if (made.has_error()) return made.error();
    const auto lost = copy(**file, **made);
    if (lost.has_error() || lost->empty()) {
        // If this fails, the next start removes the copy.
        static_cast<void>(file_system.remove(copy_path));
        return lost;
    }
    auto done = file_system.rename(copy_path, path);
    if (done.has_value()) done = file_system.sync_directory(directory);
    if (done.has_error()) return done.error();
    return lost;
}

}  // namespace flowrelay::storage
