// The data that outlives the process: open invitations, and the links from sources in their flows
// to their settings. It contains only hashes of tickets and links, so that users who can read the
// file can use neither. Pure: ledger_file stores it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::pages {

/// The permission to connect one source once.
struct Invitation {
    std::string hash;  ///< of its ticket
    std::string name;  ///< of the source
    std::string flow;  ///< ORG/FLOW, or an id; empty: the user chooses
    WallTime expires;
    bool in_use = false;  ///< the source is being created

    friend bool operator==(const Invitation&, const Invitation&) = default;
};

/// A link to the settings of one source.
struct Link {
    std::string hash;
    std::string flow;       ///< as recorded by the daemon
    std::string source_id;  ///< in that flow

    friend bool operator==(const Link&, const Link&) = default;
};

/// Returns the hash of a ticket or a link, as it is stored.
std::string hash_of(std::string_view word);

class Ledger {
public:
    static constexpr std::size_t max_invitations = 1000;
    static constexpr std::size_t max_links = 100'000;

    /// Adds an invitation, replacing one for a source of the same name. Returns false if there are
    /// too many.
    bool invite(Invitation invitation, WallTime now);

    /// Returns an invitation that is open and not in use; null if there is none.
    const Invitation* find_invitation(std::string_view hash, WallTime now) const;

    /// Marks an invitation as in use and returns it; nothing if it is not open, or already in use.
    /// The caller must then call used() or reopen().
    std::optional<Invitation> claim(std::string_view hash, WallTime now);

    /// Removes an invitation whose source was created.
    void used(std::string_view hash);

    /// Opens an invitation again whose source was not created, unless it was revoked or replaced
    /// meanwhile.
    void reopen(std::string_view hash);

    /// Opens the invitations again that were in use when the process ended. Returns the names of
    /// their sources.
    std::vector<std::string> reopen_all();

    /// Removes the invitation for a source. Returns false if there is none.
    bool revoke(std::string_view name, WallTime now);

    /// Returns the invitations that are open or in use, ordered by name.
    std::vector<Invitation> open_invitations(WallTime now) const;

    /// Adds a link, replacing another one to the same source.
    void add_link(Link link);
    const Link* find_link(std::string_view hash) const;
    void remove_link(std::string_view flow, std::string_view source_id);

    /// Convert to JSON and back. Error: the text is not from to_text().
    std::string to_text() const;
    static Result<Ledger> from_text(std::string_view text);

    friend bool operator==(const Ledger&, const Ledger&) = default;

private:
    void expire(WallTime now);

    std::vector<Invitation> invitations_;
    std::vector<Link> links_;
};

}  // namespace flowrelay::pages
