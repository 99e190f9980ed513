#include "timeline_clock.hpp"

#include <ctime>
#include <fstream>
#include <stdexcept>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/storage/clock_file.hpp"

namespace flowrelay::app {

namespace ev = core::log_events;

namespace {

// After a reboot with a wrong wall clock, the timeline may lack up to this much additional time.
constexpr auto save_interval = std::chrono::minutes(5);

Milliseconds since_boot() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return Seconds(time.tv_sec) + Milliseconds(time.tv_nsec / 1'000'000);
}

/// Returns "" if it can't be read (no /proc, ProcSubset=pid).
std::string read_boot_id() {
    std::ifstream in("/proc/sys/kernel/random/boot_id");
    std::string id;
    std::getline(in, id);
    return id;
}

std::string sign_and_length(Milliseconds step) {
    const std::string length = format_duration(step);
    return step > Milliseconds(0) ? "+" + length : length;
}

}  // namespace

Now TimelineClock::now() const {
    if (!timeline_) return SystemClock().now();
    return {std::chrono::steady_clock::now(), timeline_->at(since_boot())};
}

core::ClockAnchor TimelineClock::anchor() const {
    return timeline_->anchor({SystemClock().now().wall, since_boot(), boot_id_});
}

void TimelineClock::begin(storage::FileSystem& file_system, const std::string& directory) {
    path_ = directory + "/clock";
    boot_id_ = read_boot_id();
    const auto found = storage::read_clock(file_system, path_);
    if (found.has_error()) throw std::runtime_error(found.error().message);
    const core::ClockReading reading{SystemClock().now().wall, since_boot(), boot_id_};
    timeline_.emplace(*found, reading);
    if (timeline_->distrusts_wall()) {
        log_.write(ev::clock_not_believed, {{"wall", format_time(reading.wall)},
                                            {"last_wall", format_time((*found)->wall)},
                                            {"time", format_time(now().wall)}});
    }
    look();
    save(file_system, anchor());
}

std::optional<core::ClockAnchor> TimelineClock::look() {
    const Now read = SystemClock().now();
    const auto step = timeline_->look({read.wall, since_boot(), boot_id_});
    if (step) {
        log_.write(ev::clock_stepped, {{"by", sign_and_length(*step)},
                                       {"wall", format_time(read.wall)},
                                       {"time", format_time(now().wall)}});
    }
    if (!step && read.mono < save_at_) return std::nullopt;
    save_at_ = read.mono + save_interval;
    return anchor();
}

void TimelineClock::save(storage::FileSystem& file_system, const core::ClockAnchor& anchor) {
    const auto saved = storage::write_clock(file_system, path_, anchor);
    if (saved.has_error() && !save_failed_) {
        log_.write(ev::clock_save_failed, {{"reason", saved.error().message}});
    }
    save_failed_ = saved.has_error();
}

}  // namespace flowrelay::app
