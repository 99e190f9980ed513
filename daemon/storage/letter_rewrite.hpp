// Replaces the file of dead letters by a new one without obsolete records and without the letters
// of some tokens. Done in steps: changes in between are appended to the old file as usual, and
// finally copied to the new one.
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

    /// All references must outlive this.
    LetterRewrite(RecordJournal& journal, LetterIndex& index, ReadFailures& failures, Log& log)
        : journal_(journal), index_(index), failures_(failures), log_(log) {}

    /// Begins a rewrite. Letters of these tokens are left out; they leave the index as erased at
    /// the end.
    void begin(std::span<const TokenId> tokens);

    /// Copies about a MiB. Returns a value when the new file is in use: the number of letters left
    /// out for each token. An error ends the rewrite; the old file is then still in use, unless it
    /// was replaced and only the sync of the directory failed.
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
    std::uint64_t generation_ = 0;  ///< generation of the old file
    Seq copied_to_ = Seq::none;
    std::unordered_map<Seq, Copy> copies_;
};

}  // namespace flowrelay::storage
