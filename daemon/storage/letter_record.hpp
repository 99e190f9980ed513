// The records of the dead letters. Only this code knows the bytes of their payloads;
// docs/spool-format.md describes them for people. Pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "flowrelay/core/stored_event.hpp"
#include "record_journal.hpp"

namespace flowrelay::storage {

/// Encodes a letter. Throws std::invalid_argument if it is too long.
JournalRecord to_record(const core::DeadLetter& letter);
std::optional<core::DeadLetter> to_letter(const RecordHeader& header,
                                          std::span<const std::uint8_t> payload);
/// Returns the time of death from the payload of a letter.
WallTime died_of(std::span<const std::uint8_t> letter);
core::Outcome outcome_of(std::span<const std::uint8_t> letter);

/// Encodes the withdrawal of letters: their events are still queued.
JournalRecord withdrawal_record(std::span<const Seq> seqs);
std::vector<Seq> read_withdrawal(std::span<const std::uint8_t> payload);

/// Encodes that letters left, and their outcomes. Read it with read_settlements().
JournalRecord departure_record(std::span<const core::Settlement> ends);

struct Replay {
    Seq seq = Seq::none;
    WallTime when;
};
JournalRecord replay_record(std::span<const Replay> replays);
std::vector<Replay> read_replays(std::span<const std::uint8_t> payload);

/// What became of letters, as changes to the columns of the ledger.
struct LetterBooks {
    std::array<std::int64_t, 5> change{};  ///< by core::Outcome, which starts at 1

    std::int64_t& of(core::Outcome outcome) {
        return change.at(static_cast<std::size_t>(outcome) - 1);
    }
    void move(core::Outcome from, core::Outcome to) {
        --of(from);
        ++of(to);
    }
};
JournalRecord books_record(const LetterBooks& books);
std::optional<LetterBooks> read_books(std::span<const std::uint8_t> payload);

}  // namespace flowrelay::storage
