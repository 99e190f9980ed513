// What the dead letters hold back: the thread of a letter that is not on the disk yet, and threads
// whose next event would become a letter while there is no room for one.
//
// Delivery asks has_room() before an event may die, hands each letter over with bury(), and says
// with hold() which thread waits for room. The store answers with buried() and stored(); then the
// threads go on. It changes the scheduler's lanes and knows no other part of the relay. Pure; owned
// by one thread (the I/O thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/effects.hpp"
#include "flowrelay/core/letter_room.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/scheduler.hpp"
#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::core {

class LetterHolds {
public:
    /// All arguments outlive it.
    LetterHolds(const RelayOptions& options, RelayCounters& counters, Destination& destination,
                Log& log);
    LetterHolds(const LetterHolds&) = delete;
    LetterHolds& operator=(const LetterHolds&) = delete;

    /// Takes over the limits of the options. Threads for which there is room now go on.
    void options_changed();

    // ---- what the store says

    /// Logs that `missing` of the dead letters that the books have are not in their file.
    void tell_missing(std::uint64_t missing, std::uint64_t kept);
    /// The store of dead letters holds this much now: at the start and after each change. Threads
    /// that are held because it was full go on as far as there is room.
    void stored(const LetterUsage& usage, Now now);
    /// The deaths of these events are on the disk, or they are not queued there any more: their
    /// threads go on.
    void buried(std::span<const Seq> events);
    /// Once an hour, and after options_changed(): dead letters older than this have to be dropped.
    std::optional<Milliseconds> take_due_trim(Now now);
    /// So many were.
    void aged(std::uint64_t letters) { counters_.dropped_by_age += letters; }

    // ---- for delivery

    bool has_room() const noexcept { return room_.has_room(); }
    /// An event has died: counts it, blocks its thread until buried(), and adds the letter to what
    /// is to be done. Only while there is room. `event_bytes`: what is known of its size.
    void bury(DeadLetter letter, std::uint64_t event_bytes, Effects& effects);
    /// Tells the scheduler whether events may expire, and the log when the store is full or has
    /// room again. After each bury(), and with the passing of time.
    void note_room(Now now);
    /// The thread of this event is held since there is no room.
    void hold(Seq seq);
    /// The event is dealt with otherwise.
    void forget(Seq seq) { held_.erase(seq); }
    bool is_held(Seq seq) const { return held_.contains(seq); }

    // ---- views

    const LetterRoom& room() const noexcept { return room_; }
    /// Dead letters that are not on the disk yet; each blocks its thread.
    std::size_t unwritten() const noexcept { return unwritten_.size(); }
    /// Threads that are held because the dead letters are full.
    std::size_t held_threads() const noexcept { return held_.size(); }
    /// When note_room() or take_due_trim() has something, if nothing comes in before.
    std::optional<MonoTime> next_wakeup() const;

private:
    void release_held();

    const RelayOptions& options_;
    RelayCounters& counters_;
    Destination& destination_;
    Scheduler& scheduler_;
    Log& log_;
    LetterRoom room_;
    std::map<Seq, LaneId> unwritten_;  ///< see buried()
    std::set<Seq> held_;               ///< events that were refused while there was no room
    std::optional<MonoTime> tell_full_at_;
    MonoTime trim_at_ = MonoTime::min();
};

}  // namespace flowrelay::core
