#include "cli/power_cut.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "cli/kill_test.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/segmented_log.hpp"

namespace flowrelay::cli {

namespace {

// Each commit appends `batch` events and settles as many, so that `window` events stay queued.
constexpr std::uint64_t batch = 16;
constexpr std::uint64_t window = 256 * batch;

storage::LogOptions power_cut_options() {
    storage::LogOptions small;
    small.segment_size = 4U << 20;
    small.max_size = 64U << 20;
    return small;
}

std::string result_file(const std::string& parent) {
    return power_cut_directory(parent) + "/checked";
}

/// Counts reports of damage.
class DamageCounter final : public Log {
public:
    using Log::write;
    bool enabled(Severity) const noexcept override { return true; }
    void write(const LogEvent& event, std::span<const LogField>) noexcept override {
        if (event.name == core::log_events::spool_damaged.name) ++count_;
    }
    std::uint64_t count() const noexcept { return count_; }

private:
    std::uint64_t count_ = 0;
};

}  // namespace

std::string power_cut_directory(const std::string& parent) {
    return parent + "/flowrelay-power-cut";
}

Result<void> write_until_power_cut(const std::string& parent, MonoTime until,
                                   const std::function<bool()>& stop,
                                   const std::function<void(std::uint64_t)>& acknowledged) {
    const auto file_system = storage::make_posix_file_system();
    const std::string directory = power_cut_directory(parent);
    const auto there = file_system->exists(directory);
    if (there.has_error()) return there.error();
    if (*there && result_of_power_cut(parent)) {
        std::error_code error;
        std::filesystem::remove_all(directory, error);
        if (error) return system_error(error.value(), "remove", directory);
    } else if (*there) {
        return Error{boost::system::errc::make_error_code(boost::system::errc::file_exists),
                     fmt::format("{} is there from an earlier test: look at it with `--power-cut "
                                 "check`, or remove it",
                                 directory)};
    }
    NullLog log;
    auto queue = storage::open_segmented_log(*file_system, directory, power_cut_options(), log);
    if (queue.has_error()) return queue.error();
    std::uint64_t last = 0;
    while (std::chrono::steady_clock::now() < until && !stop()) {
        std::vector<core::EventRecord> events;
        std::vector<core::Settlement> outcomes;
        for (std::uint64_t i = 1; i <= batch; ++i) {
            events.push_back(make_test_event(last + i));
            if (last + i > window) {
                outcomes.push_back({Seq{last + i - window}, core::Outcome::delivered});
            }
        }
        const auto first = (*queue)->commit(events, outcomes);
        if (first.has_error()) return first.error();
        last += batch;
        acknowledged(last);
    }
    return {};
}

Result<PowerCutFindings> look_after_power_cut(const std::string& parent) {
    const auto file_system = storage::make_posix_file_system();
    const std::string directory = power_cut_directory(parent);
    const auto there = file_system->exists(directory);
    if (there.has_error()) return there.error();
    if (!*there) {
        return Error{
            boost::system::errc::make_error_code(boost::system::errc::no_such_file_or_directory),
            fmt::format("{} is not there: begin with `--power-cut write`; if you did, the disk has "
                        "lost all of it",
                        directory)};
    }
    DamageCounter log;
    const auto queue =
        storage::open_segmented_log(*file_system, directory, power_cut_options(), log);
    if (queue.has_error()) return queue.error();
    const auto seqs = list_queue(**queue);
    if (seqs.has_error()) return seqs.error();
    PowerCutFindings found;
    found.damaged = log.count();
    if (seqs->empty()) return found;
    found.first = to_number(seqs->front());
    found.last = to_number(seqs->back());
    found.missing = found.last - found.first + 1 - seqs->size();
    for (const Seq seq : *seqs) {
        if ((*queue)->read(seq).has_error()) ++found.missing;
    }
    return found;
}

std::uint64_t lost_in_power_cut(const PowerCutFindings& found, std::uint64_t acknowledged) {
    std::uint64_t lost = found.missing;
    const std::uint64_t last = std::max(found.last, acknowledged);
    if (last > found.last) lost += last - std::max(found.last, last - std::min(last, window));
    // A commit writes the outcomes of the oldest events first, and may be cut off after that.
    const std::uint64_t settled = found.last + batch;
    const std::uint64_t oldest = settled > window ? settled - window + 1 : 1;
    if (found.last > 0 && found.first > oldest) lost += found.first - oldest;
    return lost;
}

Result<void> close_power_cut(const std::string& parent, std::string_view result) {
    const std::string directory = power_cut_directory(parent);
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    if (!error) std::filesystem::create_directory(directory, error);
    if (error) return system_error(error.value(), "remove", directory);
    std::ofstream out(result_file(parent));
    out << result << '\n';
    out.close();
    if (!out) return system_error(EIO, "write", result_file(parent));
    return {};
}

std::optional<std::string> result_of_power_cut(const std::string& parent) {
    std::ifstream in(result_file(parent));
    std::string result;
    if (!std::getline(in, result)) return std::nullopt;
    return result;
}

}  // namespace flowrelay::cli
