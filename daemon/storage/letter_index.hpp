// Index of the dead letters: where each lies in the file, and what became of those that left. Each
// change corresponds to a record, so reading the file and changing it have the same result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "flowrelay/core/queued_event.hpp"
#include "letter_record.hpp"

namespace flowrelay::storage {

class LetterIndex {
public:
    struct Place {
        std::uint64_t offset = 0;
        std::size_t size = 0;
        TokenId token = TokenId::none;
        std::uint64_t thread_hash = 0;
        WallTime died;
        core::Outcome outcome = core::Outcome::dead;
        std::optional<WallTime> replayed;  ///< when its replay began; none: not replayed
    };
    using Places = std::map<Seq, Place>;

    /// Adds a letter, or replaces the one with the same seq.
    void add(Seq seq, const Place& place);
    void withdraw(Seq seq);
    void leave(Seq seq, core::Outcome outcome);
    void replay(Seq seq, WallTime when);
    /// Removes the letters of some tokens as erased. Returns the number for each token; tokens
    /// without any are left out.
    std::map<TokenId, std::uint64_t> erase(const std::set<TokenId>& tokens);
    /// Sets the new offset of a letter after a rewrite of the file.
    void move(Seq seq, std::uint64_t offset) { places_.at(seq).offset = offset; }

    const Place* find(Seq seq) const {
        const auto found = places_.find(seq);
        return found == places_.end() ? nullptr : &found->second;
    }
    const Places& places() const noexcept { return places_; }
    /// Letters in the order of their deaths.
    const std::set<std::pair<WallTime, Seq>>& by_age() const noexcept { return by_age_; }
    const std::set<Seq>& replays() const noexcept { return replays_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    /// Number of letters that are not being replayed.
    std::uint64_t letters() const noexcept { return places_.size() - replays_.size(); }
    std::uint64_t letter_bytes() const noexcept { return bytes_ - replayed_bytes_; }

    const LetterBooks& books() const noexcept { return books_; }
    void set_books(const LetterBooks& books) { books_ = books; }

private:
    void remove(Places::iterator at);

    Places places_;
    std::set<std::pair<WallTime, Seq>> by_age_;
    std::set<Seq> replays_;
    std::uint64_t bytes_ = 0;
    std::uint64_t replayed_bytes_ = 0;
    LetterBooks books_;
};

}  // namespace flowrelay::storage
