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
#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::storage {

/// What is known of one token slot.
struct TokenEntry {
    enum class State : std::uint8_t {
        active = 1,
        gone = 2,    ///< 410; `erase_at` is set; contents still there for the grace
        erased = 3,  ///< 410, and nothing but the fingerprint is left
        paused = 4,  ///< by an operator
    };
    TokenId id = TokenId::none;
    std::string source;       ///< the name of a configured source; empty: known by its token alone
    Fingerprint fingerprint{};  ///< of the token that lies (or lay last) in the slot
    Secret secret;            ///< only of tokens that came with an event; empty for a source's
    State state = State::active;
    WallTime since;           ///< of the state
    WallTime erase_at;        ///< of `gone`
};

class Registry {
public:
    /// Opens or creates `path`. A torn last record is cut off; other damage is an error that names
    /// the offset (the tokens must not be guessed at).
    static Result<std::unique_ptr<Registry>> open(FileSystem& file_system, const std::string& path,
                                                  Log& log);
    virtual ~Registry() = default;

    virtual const Salt& salt() const = 0;
    virtual std::vector<TokenEntry> entries() const = 0;

    /// Adds or replaces slots (by id), all in one sync. An entry that loses its secret (state
    /// `erased`, or a new one in its place) makes the whole file be rewritten, so that the old
    /// secret is in no file when this returns.
    virtual Result<void> put(std::span<const TokenEntry> entries) = 0;
};

}  // namespace flowrelay::storage
