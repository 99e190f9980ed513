// A new file of dead letters in the place of the old one, without what is of the past and without
// the letters of some tokens. It is made in steps: what changes in between is added to the old file
// as ever, and the new one says the same in the end.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>

#include "flowrelay/base/log.hpp"
#include "letter_index.hpp"
#include "read_failures.hpp"
#include "record_journal.hpp"

namespace flowrelay::storage {

class LetterRewrite {
public:
    using Erased = std::map<TokenId, std::uint64_t>;

    /// All references outlive it.
    LetterRewrite(RecordJournal& journal, LetterIndex& index, ReadFailures& failures, Log& log)
        : journal_(journal), index_(index), failures_(failures), log_(log) {}

    /// The letters of these tokens are left out, and leave the index as erased at the end.
    void begin(std::span<const TokenId> tokens);

    /// Copies about a MiB. Returns a value when the new file is in use: how many letters of each
    /// token were left out. An error ends it; then the old file is in use, unless it was replaced
    /// and only the directory could not be synced.
    Result<std::optional<Erased>> step();

private:
    struct Copy {
        std::uint64_t from = 0;  ///< offset in the old file
        std::uint64_t to = 0;
    };

    Result<void> begin_draft();
    Result<bool> copy_some();
    Result<void> copy(Seq seq);
    std::set<Seq> not_copied() const;
    Result<Erased> finish();

    RecordJournal& journal_;
    LetterIndex& index_;
    ReadFailures& failures_;
    Log& log_;
    std::set<TokenId> tokens_;
    std::uint64_t generation_ = 0;  ///< of the old file
    Seq copied_to_ = Seq::none;
    std::unordered_map<Seq, Copy> copies_;
};

}  // namespace flowrelay::storage
