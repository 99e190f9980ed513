// What outlives the process: invitations that are open, and the links from sources in their flows
// to their settings. Only hashes of tickets and links are kept, so that who reads the file can use
// neither. Pure: state_file writes it down.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::pages {

/// Somebody may connect one source once.
struct Invitation {
    std::string hash;  ///< of its ticket
    std::string name;  ///< of the source
    std::string flow;  ///< ORG/FLOW, or an id; empty: the person chooses
    WallTime expires;
    bool in_use = false;  ///< somebody is making the source

    friend bool operator==(const Invitation&, const Invitation&) = default;
};

/// Leads to the settings of one source.
struct Link {
    std::string hash;
    std::string flow;       ///< as the daemon has noted it
    std::string source_id;  ///< in that flow

    friend bool operator==(const Link&, const Link&) = default;
};

/// The hash under which a ticket or a link is kept.
std::string hash_of(std::string_view word);

class Ledger {
public:
    static constexpr std::size_t max_invitations = 1000;
    static constexpr std::size_t max_links = 100'000;

    /// Replaces the invitation for a source of the same name. False: there are too many.
    bool invite(Invitation invitation, WallTime now);

    /// Returns an invitation that is open and not in use; null if there is none.
    const Invitation* find_invitation(std::string_view hash, WallTime now) const;

    /// Marks an invitation as in use and returns it. Nothing if it is not open any more, or in use.
    /// used() or reopen() follows.
    std::optional<Invitation> claim(std::string_view hash, WallTime now);

    /// Removes an invitation whose source was made.
    void used(std::string_view hash);

    /// Opens an invitation again that could not be used, unless it was revoked or replaced
    /// meanwhile.
    void reopen(std::string_view hash);

    /// Opens those again that were in use when the process ended. Returns the names of their
    /// sources.
    std::vector<std::string> reopen_all();

    /// Removes the invitation for a source. False: there is none.
    bool revoke(std::string_view name, WallTime now);

    /// Returns the invitations that are open or in use, ordered by name.
    std::vector<Invitation> open_invitations(WallTime now) const;

    /// Adds a link, in the place of another one to the same source.
    void add_link(Link link);
    const Link* find_link(std::string_view hash) const;
    void remove_link(std::string_view flow, std::string_view source_id);

    /// JSON, and back. Error: it is not what to_text() writes.
    std::string to_text() const;
    static Result<Ledger> from_text(std::string_view text);

    friend bool operator==(const Ledger&, const Ledger&) = default;

private:
    void expire(WallTime now);

    std::vector<Invitation> invitations_;
    std::vector<Link> links_;
};

}  // namespace flowrelay::pages
