// The registry of tokens: the token slots and their states. A journal file of records
// (docs/spool-format.md), mode 0600, rewritten as a whole when a secret has to be erased.
//
// All calls block. One thread (the storage thread). A change is durable when its call returns.
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
    /// Opens or creates `path`. Cuts off a torn last record; any other damage is an error that
    /// names the offset (tokens must not be guessed).
    static Result<std::unique_ptr<Registry>> open(FileSystem& file_system, const std::string& path,
                                                  Log& log);
    virtual ~Registry() = default;

    /// The contents of a file, as far as it can be read. The file is not changed.
    struct Contents {
        JournalScan file;
        std::vector<TokenEntry> entries;
    };
    static Result<Contents> inspect(FileSystem& file_system, const std::string& path);

    virtual const Salt& salt() const = 0;
    /// Returns all slots. A slot that was to be forgotten and is still in the file, while its token
    /// has a newer slot, is `removed`: no token has two slots in use.
    virtual std::vector<TokenEntry> entries() const = 0;

    /// Adds or replaces slots (by id), all with one sync. If an entry loses its secret (state
    /// `erased`, or a new secret), or what is known of its source at the server, the whole file is
    /// rewritten, so that no file contains the old text when this returns.
    virtual Result<void> put(std::span<const TokenEntry> entries) = 0;

    /// Drops slots and their deferrals. If the file can't be written, the next change drops them;
    /// until then a restart may bring them back. Their ids must not be reused.
    virtual void forget(std::span<const TokenId> slots) = 0;

    /// Returns the latest deferral (Retry-After) of each token and of the destination, including
    /// those that are over.
    virtual std::vector<core::Hold> holds() const = 0;
    virtual Result<void> put_hold(const core::Hold& hold) = 0;

    /// Called at a clean shutdown: allows to tell damage in the last record from a torn write.
    /// Errors can be ignored.
    virtual Result<void> confirm() = 0;
};

}  // namespace flowrelay::storage
