#include "letter_age.hpp"

#include <cstdint>
#include <utility>
#include <vector>

#include "flowrelay/base/bytes.hpp"
#include "flowrelay/base/number.hpp"
#include "flowrelay/storage/replace_file.hpp"

namespace flowrelay::app {

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
    const auto least = static_cast<std::uint64_t>(shortest_letter_age.count());
    const auto most = static_cast<std::uint64_t>(longest_letter_age.count());
    const bool makes_sense = text.ends_with("ms\n") && ms && *ms >= least && *ms <= most;
    if (!makes_sense) return Age(longest_letter_age);
    return Age(Milliseconds(static_cast<std::int64_t>(*ms)));
}

Result<void> write_letter_age(storage::FileSystem& file_system, const std::string& state_directory,
                              Milliseconds age) {
    const std::string text = std::to_string(age.count()) + "ms\n";
    return storage::replace_file(file_system, letter_age_file(state_directory), as_bytes(text));
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
