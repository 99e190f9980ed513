// Which events belong together: what docs/sources.md says of names and tokens, as a second opinion.
// A slot has the queued events of one token. It is told what producers hand in and operators
// change, and what a start finds on the disk.
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

    /// What a slot is. It is not known on the disk with which token a configured source posts.
    struct Identity {
        std::size_t token = 0;
        std::string name;
        Kind kind = Kind::direct;
        bool known = true;  ///< the relay can post with the token

        friend bool operator==(const Identity&, const Identity&) = default;
    };

    struct Slot {
        Identity is;
        std::set<std::size_t> tokens;  ///< those that it has had: operators named each successor
        bool exists = true;            ///< false: nothing of it has been accepted
        bool gone = false;             ///< by a 410 or an operator
        bool removed = false;          ///< by an operator
        /// An event has brought its token, with this change, and is not durable yet; 0: none has.
        std::size_t waking = 0;
        std::optional<TokenId> id;  ///< what the relay calls it

        bool is_source() const {
            return !removed && (is.kind == Kind::configured || is.kind == Kind::added);
        }
        bool in_use() const { return exists && !gone; }

        struct Version {
            std::size_t change = 0;
            Identity is;
        };
        std::vector<Version> versions;  ///< that may be on the disk; the first one was saved last
        bool was_saved = false;         ///< or perhaps none is
    };

    const std::vector<Slot>& all() const noexcept { return slots_; }
    const Slot& at(std::size_t slot) const { return slots_.at(slot); }

    // ---- producers

    /// The slot that events of the name, or of the token, belong to; nothing if there is none.
    std::optional<std::size_t> of_name(const std::string& name) const;
    std::optional<std::size_t> of_token(std::size_t token) const;
    /// The slot that an event with the token begins, if it is accepted.
    std::size_t begin(std::size_t token);
    /// An event that brought the token of this slot is on its way to the disk.
    void taken(std::size_t slot);
    /// One is durable that was taken after this change. Returns whether it has brought the token.
    bool durable(std::size_t slot, std::size_t change);
    /// An operator has it go on, so that it waits for no event.
    void resumed(std::size_t slot) { slots_.at(slot).waking = 0; }

    // ---- operators. Each returns what was changed.

    struct Changes {
        std::vector<std::size_t> rotated;  ///< they have another token
        std::vector<std::size_t> sources;  ///< new, or were none before
    };
    Changes configure(const Setup::Sources& sources);
    Changes add(const std::string& name, std::size_t token);
    Changes rotate(std::size_t slot, std::size_t token);
    /// Whether the page lets an operator do it.
    bool may_add(const std::string& name, std::size_t token) const;
    bool may_rotate(std::size_t slot, std::size_t token) const;
    void set_gone(std::size_t slot, bool gone) { slots_.at(slot).gone = gone; }
    void remove(std::size_t slot);

    // ---- the disk

    /// The number of the last change.
    std::size_t change() const noexcept { return change_; }
    /// How often a slot was changed in a way that the registry has to hold.
    std::size_t notes() const noexcept { return notes_; }
    void saved(TokenId id, std::size_t change);
    void all_saved();
    void bind(std::size_t slot, TokenId id) { slots_.at(slot).id = id; }
    /// The relay has forgotten it, and gives its id to no other. It may be on the disk still.
    void forgotten(std::size_t slot);
    std::optional<std::size_t> of_id(TokenId id) const;

    struct Found {
        TokenId id = TokenId::none;
        Identity is;
        bool gone = false;
        bool removed = false;
        bool erased = false;
        bool paused = false;
        std::optional<std::size_t> lives_as;  ///< the token whose source it says it is
    };
    /// What a start finds. Returns what it must not be.
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
    std::map<TokenId, std::size_t> forgotten_;  ///< what they were
    std::size_t change_ = 0;
    std::size_t notes_ = 0;
};

}  // namespace flowrelay::test
