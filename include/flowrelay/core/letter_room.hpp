// Whether the dead letters have room for one more. A store that is full takes none: nothing that
// lies in it is dropped for its size.
//
// Letters on their way to the store count as if they were there. Pure; owned by one thread (the I/O
// thread).
#pragma once

#include <cstdint>
#include <deque>

#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::core {

/// What the store of dead letters holds; letters that are being replayed are queued events and do
/// not count.
struct LetterUsage {
    std::uint64_t letters = 0;
    std::uint64_t bytes = 0;
    std::uint64_t buried = 0;  ///< letters handed to the store since the start and dealt with

    friend bool operator==(const LetterUsage&, const LetterUsage&) = default;
};

class LetterRoom {
public:
    explicit LetterRoom(const DeadLetterLimits& limits) : limits_(limits) {}

    void set_limits(const DeadLetterLimits& limits) { limits_ = limits; }
    const DeadLetterLimits& limits() const noexcept { return limits_; }

    /// Takes what the store says of itself.
    void stored(const LetterUsage& usage);

    /// A letter is handed to the store; `bytes` is an estimate.
    void bury(std::uint64_t bytes);

    /// True while both limits are not reached: the letter that reaches max_bytes may exceed it.
    bool has_room() const noexcept { return free_letters() > 0; }

    /// How many more letters max_events admits; 0 when max_bytes is reached.
    std::uint64_t free_letters() const noexcept;

    /// What the store last said.
    const LetterUsage& usage() const noexcept { return stored_; }

    /// The store itself has reached a limit, letters on their way aside.
    bool is_store_full() const noexcept {
        return stored_.letters >= limits_.max_events || stored_.bytes >= limits_.max_bytes;
    }

private:
    DeadLetterLimits limits_;
    LetterUsage stored_;
    std::deque<std::uint64_t> on_their_way_;  ///< their sizes
    std::uint64_t bytes_on_their_way_ = 0;
    std::uint64_t handed_over_ = 0;
};

/// An upper bound of the size of a letter with these contents.
std::uint64_t letter_size(std::uint64_t event_bytes, const DeadLetter& letter) noexcept;

}  // namespace flowrelay::core
