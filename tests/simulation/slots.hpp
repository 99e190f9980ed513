// An independent implementation of what docs/sources.md says about names and tokens: which events
// belong together. A slot has the queued events of one token. The class is notified of producers'
// events and operators' changes, and checks what a start finds on the disk.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "setup.hpp"

namespace flowrelay::test {

class Slots {
public:
    enum class Kind { direct, configured, added, left };

    /// Identity of a slot. For a configured source, the disk does not show which token it uses.
    struct Identity {
        std::size_t token = 0;
        std::string name;
        Kind kind = Kind::direct;
        bool known = true;    ///< the relay can post with the token
        unsigned filter = 0;  ///< that an operator has set; of a configured source the setup has it

        friend bool operator==(const Identity&, const Identity&) = default;
    };

    struct Slot {
        Identity is;
        /// All tokens so far; each successor was named by an operator.
        std::set<std::size_t> tokens;
        bool exists = true;    ///< false: none of its events has been accepted
        bool gone = false;     ///< by a 410 or an operator
        bool removed = false;  ///< by an operator
        /// Change with which a pending event brought the slot's token; 0: none.
        std::size_t waking = 0;
        std::optional<TokenId> id;  ///< the relay's id of the slot

        bool is_source() const {
            return !removed && (is.kind == Kind::configured || is.kind == Kind::added);
        }
        bool in_use() const { return exists && !gone; }

        struct Version {
            std::size_t change = 0;
            Identity is;
        };
        /// Versions that may be on the disk; the first was saved last.
        std::vector<Version> versions;
        bool was_saved = false;  ///< false: perhaps no version is on the disk
    };

    const std::vector<Slot>& all() const noexcept { return slots_; }
    const Slot& at(std::size_t slot) const { return slots_.at(slot); }

    // ---- producers

    /// Returns the slot for events of the name or of the token; nothing if there is none.
    std::optional<std::size_t> of_name(const std::string& name) const;
    std::optional<std::size_t> of_token(std::size_t token) const;
    /// Returns the slots that an event for the name goes to: the source's and those of its routes,
    /// without those that are gone; or one that is gone, if all are. Empty: there is none.
    std::vector<std::size_t> of_event(const std::string& name) const;
    /// Returns the slot that an event with the token creates if it is accepted.
    std::size_t begin(std::size_t token);
    /// An event that brought the token of this slot is pending.
    void taken(std::size_t slot);
    /// An event that was taken after this change is durable. Returns whether it brought the token.
    bool durable(std::size_t slot, std::size_t change);
    /// An operator has resumed the slot, so it does not wait for an event.
    void resumed(std::size_t slot) { slots_.at(slot).waking = 0; }

    // ---- operators. Each function returns what was changed.

    struct Changes {
        std::vector<std::size_t> rotated;  ///< slots with a new token
        std::vector<std::size_t> sources;  ///< slots that are new sources
    };
    Changes configure(const Setup::Sources& sources);
    Changes add(const std::string& name, std::size_t token);
    Changes rotate(std::size_t slot, std::size_t token);
    void set_filter(std::size_t slot, unsigned filter);
    /// Whether the page lets an operator do it.
    bool may_add(const std::string& name, std::size_t token) const;
    bool may_rotate(std::size_t slot, std::size_t token) const;
    bool may_filter(std::size_t slot) const;
    void set_gone(std::size_t slot, bool gone) { slots_.at(slot).gone = gone; }
    void remove(std::size_t slot);

    // ---- the disk

    /// Returns the number of the last change.
    std::size_t change() const noexcept { return change_; }
    /// Returns the number of changes that must be in the registry.
    std::size_t notes() const noexcept { return notes_; }
    void saved(TokenId id, std::size_t change);
    /// An event that was taken after this change is durable: what it can't do without is, too. Its
    /// slot's filter need not be.
    void brought(TokenId id, std::size_t change);
    void all_saved();
    void bind(std::size_t slot, TokenId id) { slots_.at(slot).id = id; }
    /// The relay has forgotten the slot and does not reuse its id. It may still be on the disk.
    void forgotten(std::size_t slot);
    std::optional<std::size_t> of_id(TokenId id) const;

    struct Found {
        TokenId id = TokenId::none;
        Identity is;
        bool gone = false;
        bool removed = false;
        bool erased = false;
        bool paused = false;
        std::optional<std::size_t> lives_as;  ///< the token of the source that it claims to be
    };
    /// Compares what a start finds with the slots. Returns the violations.
    std::vector<std::string> started(const std::vector<Found>& found);

private:
    Slot& make(std::size_t token);
    void note(Slot& slot);
    void vanish(Slot& slot);
    std::set<TokenId> come_back(const std::vector<Found>& all, std::vector<std::string>& wrong);
    void succeed(std::size_t slot, std::size_t token);
    std::optional<std::size_t> with_token(std::size_t token) const;
    std::optional<std::size_t> predecessor(const std::string& name,
                                           const std::set<std::size_t>& taken) const;
    std::optional<std::size_t> adopt(const Found& found);

    std::vector<Slot> slots_;
    std::map<TokenId, std::size_t> forgotten_;  ///< slot numbers of forgotten ids
    std::size_t change_ = 0;
    std::size_t notes_ = 0;
};

}  // namespace flowrelay::test
