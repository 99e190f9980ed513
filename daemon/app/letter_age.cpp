#include "flowrelay/app/letter_age.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "flowrelay/base/number.hpp"

namespace flowrelay::app {

namespace {

constexpr Milliseconds longest_letter_age = std::chrono::hours(24) * 3650;

Result<void> remove_if_there(storage::FileSystem& file_system, const std::string& path) {
    const auto there = file_system.exists(path);
    if (there.has_error()) return there.error();
    return *there ? file_system.remove(path) : Result<void>();
}

}  // namespace

std::string letter_age_file(const std::string& state_directory) {
    return state_directory + "/dead-letters.max-age";
}

Result<std::optional<Milliseconds>> read_letter_age(storage::FileSystem& file_system,
                                                    const std::string& state_directory) {
    using Age = std::optional<Milliseconds>;
    const std::string path = letter_age_file(state_directory);
    const auto there = file_system.exists(path);
    if (there.has_error()) return there.error();
    if (!*there) return Age();
    const auto file = file_system.open_read_only(path);
    if (file.has_error()) return file.error();
    std::vector<std::uint8_t> bytes(32);
    const auto read = (*file)->read_at(0, bytes);
    if (read.has_error()) return read.error();
    const std::string text(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*read));
    const auto ms = parse_number<std::uint64_t>(text.substr(0, text.find("ms\n")));
    const auto most = static_cast<std::uint64_t>(longest_letter_age.count());
    if (!text.ends_with("ms\n") || !ms || *ms > most) return Age(longest_letter_age);
    return Age(Milliseconds(static_cast<std::int64_t>(*ms)));
}

Result<void> write_letter_age(storage::FileSystem& file_system, const std::string& state_directory,
                              Milliseconds age) {
    const std::string path = letter_age_file(state_directory);
    const std::string fresh = path + ".new";
    if (auto done = remove_if_there(file_system, fresh); done.has_error()) return done;
    const auto file = file_system.create(fresh);
    if (file.has_error()) return file.error();
    const std::string text = std::to_string(age.count()) + "ms\n";
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    if (auto done = (*file)->write_at(0, bytes); done.has_error()) return done;
    if (auto done = (*file)->sync(); done.has_error()) return done;
    if (auto done = file_system.rename(fresh, path); done.has_error()) return done;
    return file_system.sync_directory(state_directory);
}

std::function<Result<void>(Milliseconds)> letter_age_keeper(storage::FileSystem& file_system,
                                                            std::string state_directory) {
    return [&file_system, directory = std::move(state_directory),
            kept = std::optional<Milliseconds>()](Milliseconds age) mutable -> Result<void> {
        if (kept == age) return {};
        if (!kept) {
            const auto before = read_letter_age(file_system, directory);
            if (before.has_value() && *before == age) kept = age;
            if (kept == age) return {};
        }
        auto written = write_letter_age(file_system, directory, age);
        kept = written.has_value() ? std::optional(age) : std::nullopt;
        return written;
    };
}

Milliseconds letter_age_at_start(Milliseconds configured, std::optional<Milliseconds> before,
                                 std::optional<Milliseconds> oldest) noexcept {
    const bool drops = before && configured < *before && oldest && *oldest > configured;
    return drops ? *before : configured;
}

}  // namespace flowrelay::app
