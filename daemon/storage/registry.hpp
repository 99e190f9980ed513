// The small cold state: which tokens there are and what became of them. A journal file of records
// (the framing of docs/spool-format.md), mode 0600, rewritten as a whole when a secret has to go.
//
// All calls block and come from one thread (the storage thread). A change is durable when its call
// returns.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/storage/file_system.hpp"
#include "record_journal.hpp"

namespace flowrelay::storage {

using core::TokenEntry;

class Registry {
public:
    /// Opens or creates `path`. A torn last record is cut off; other damage is an error that names
    /// the offset (the tokens must not be guessed at).
    static Result<std::unique_ptr<Registry>> open(FileSystem& file_system, const std::string& path,
                                                  Log& log);
    virtual ~Registry() = default;

    /// What is in the file. It is not changed, and read as far as it can be.
    struct Contents {
        JournalScan file;
        std::vector<TokenEntry> entries;
    };
    static Result<Contents> inspect(FileSystem& file_system, const std::string& path);

    virtual const Salt& salt() const = 0;
    /// A slot that was to be forgotten and is in the file still, while its token has come again, is
    /// `removed`: there are never two in use of one token.
    virtual std::vector<TokenEntry> entries() const = 0;

    /// Adds or replaces slots (by id), all in one sync. An entry that loses its secret (state
    /// `erased`, or a new one in its place), or what is known of its source at the server, makes
    /// the whole file be rewritten, so that the old text is in no file when this returns.
    virtual Result<void> put(std::span<const TokenEntry> entries) = 0;

    /// Drops slots, and their waits. Should the file not take that, the next change drops them as
    /// well; until then they may be there again at the next start. Their ids are not to be used
    /// again.
    virtual void forget(std::span<const TokenId> slots) = 0;

    /// The latest waits of each token and of the destination, those that are over as well.
    virtual std::vector<core::Hold> holds() const = 0;
    virtual Result<void> put_hold(const core::Hold& hold) = 0;

    /// For a clean end: with it, damage in the last record can be told from a write that was cut
    /// short. An error can be ignored.
    virtual Result<void> confirm() = 0;
};

}  // namespace flowrelay::storage
