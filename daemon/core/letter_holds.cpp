#include "flowrelay/core/letter_holds.hpp"

#include <cassert>
#include <chrono>
#include <utility>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

constexpr Seconds tell_again_after{3600};

}  // namespace

LetterHolds::LetterHolds(const RelayOptions& options, RelayCounters& counters,
                         Destination& destination, Log& log)
    : options_(options),
      counters_(counters),
      destination_(destination),
      scheduler_(destination.scheduler()),
      log_(log),
      room_(options.dead_letters) {}

void LetterHolds::options_changed() {
    trim_at_ = MonoTime{};  // long ago: at once
    room_.set_limits(options_.dead_letters);
    release_held();
}

void LetterHolds::tell_missing(std::uint64_t missing, std::uint64_t kept) {
    log_.write(ev::letters_missing, {{"missing", missing}, {"dead_letters", kept}});
}

void LetterHolds::stored(const LetterUsage& usage, Now now) {
    room_.stored(usage);
    note_room(now);
    release_held();
}

void LetterHolds::buried(std::span<const Seq> events) {
    for (const Seq seq : events) {
        const auto letter = unwritten_.find(seq);
        if (letter == unwritten_.end()) continue;
        scheduler_.block_lane(letter->second, false);
        unwritten_.erase(letter);
    }
}

// What is known of its size is an estimate until the store has it.
void LetterHolds::bury(DeadLetter letter, std::uint64_t event_bytes, Effects& effects) {
    assert(has_room());
    ++counters_.dead;
    if (letter.outcome == Outcome::expired) ++counters_.expired;
    room_.bury(letter_size(event_bytes, letter));
    // A crash before its letter is on the disk has it posted again. What is too old is not posted.
    if (letter.outcome == Outcome::dead) {
        const LaneId lane{letter.event.token, letter.event.thread_hash};
        if (unwritten_.emplace(letter.seq, lane).second) scheduler_.block_lane(lane, true);
    }
    effects.bury.push_back(std::move(letter));
}

void LetterHolds::hold(Seq seq) {
    assert(!has_room());
    held_.insert(seq);
}

void LetterHolds::release_held() {
    scheduler_.set_expiring(room_.has_room());
    // Each of them is refused again or delivered; what finds no room is held again. The next report
    // of the store lets more of them go.
    std::uint64_t free = room_.free_letters();
    while (free > 0 && !held_.empty()) {
        const Seq seq = held_.extract(held_.begin()).value();
        if (scheduler_.release_lane(seq)) --free;
    }
}

void LetterHolds::note_room(Now now) {
    scheduler_.set_expiring(room_.has_room());
    if (!room_.is_store_full()) {
        if (tell_full_at_) {
            tell_full_at_.reset();
            log_.write(ev::dead_letters_have_room, {{"dead_letters", room_.usage().letters}});
        }
        return;
    }
    if (tell_full_at_ && now.mono < *tell_full_at_) return;
    tell_full_at_ = now.mono + tell_again_after;
    const bool by_count = room_.usage().letters >= room_.limits().max_events;
    log_.write(ev::dead_letters_full,
               {{"dead_letters", room_.usage().letters},
                {"limit", by_count ? "dead_letters.max_events" : "dead_letters.max_bytes"},
                {"held_threads", held_.size()},
                {"queued", destination_.queued()}});
}

std::optional<Milliseconds> LetterHolds::take_due_trim(Now now) {
    if (now.mono < trim_at_) return std::nullopt;
    trim_at_ = now.mono + std::chrono::hours(1);
    return options_.dead_letters.max_age;
}

std::optional<MonoTime> LetterHolds::next_wakeup() const {
    std::optional<MonoTime> wakeup = tell_full_at_;
    if (trim_at_ != MonoTime::min() && (!wakeup || trim_at_ < *wakeup)) wakeup = trim_at_;
    return wakeup;
}

}  // namespace flowrelay::core
