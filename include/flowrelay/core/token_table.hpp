// The tokens that the relay knows: which there are, what they are called, whether they may be used.
//
// A slot (TokenId) is made once and is what it is: it has a token (a fingerprint; the token itself
// as long as it is known), a name or none, an origin and a state. Its token changes only when an
// operator names a successor: `source rotate`, or a configuration that gives its name another
// token. *gone* is a 410 that nobody has taken back; *removed* is an operator's word, which is not
// a 410: the token may come again, in a new slot. docs/sources.md has the cases as a table, and
// daemon/core/identity.hpp the matching of a configuration with the slots.
//
// Changes come back as entries for the registry: they count at once, and are to be made durable
// before anything relies on them.
//
// Pure; owned by one thread (the I/O thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/source_rules.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/submitter.hpp"

namespace flowrelay::core {

/// A source of the configuration, with its token read.
struct ConfiguredSource {
    std::string name;
    Secret secret;
    SourceRules rules;
};

/// "token-7": what a slot is called that belongs to no source, and names any slot for sure.
std::string slot_name(TokenId id);

/// Whether a name, or a part of a route's name, has the form that slot_name() returns. No source
/// can have such a name, whether the slot exists or not: a slot of that number may come.
bool is_slot_name(std::string_view name) noexcept;

/// Returns whether a source can have a name, as far as its form goes: see source_name_form. Names
/// of slots have that form too; is_slot_name() finds them.
bool is_source_name(std::string_view name) noexcept;

/// The form that is_source_name() accepts, for messages.
inline constexpr std::string_view source_name_form =
    R"(1 to 64 letters, digits, ".", "_" and "-"; of a route two of these, like ci/ops)";

/// "ci" for "ci/ops": the source that a route belongs to. Empty: the name is none of a route.
std::string_view source_of_route(std::string_view name) noexcept;

/// One slot, as the relay works with it.
struct Token {
    TokenEntry entry;            ///< of a source the secret is here as well, for posting
    SourceRules rules;           ///< of its source; of a slot without one the defaults
    bool durable = true;         ///< the registry is known to hold the slot
    std::uint64_t used = 0;      ///< when an event of it was taken last, in TokenTable::use()s
    std::uint64_t filtered = 0;  ///< events since the start that its filter did not let pass
    /// Only the spool mentions the slot: the registry was lost or is of another time. It has no
    /// token, so nothing is posted; its events are kept, listed, dropped and expire as others do.
    bool unknown = false;

    /// What logs and answers call it: the source's name, or "token-7".
    std::string label() const;

    /// Which of its events are delivered: what its configuration says of a configured source, what
    /// an operator has set of an added one. Nothing: all.
    const KnownFilter& filter() const noexcept {
        return entry.origin == TokenEntry::Origin::configured ? rules.filter : entry.filter;
    }

    /// Out of use, by a 410 or by an operator: nothing is accepted for it or posted with it.
    bool gone() const noexcept {
        return entry.state == TokenEntry::State::gone || entry.state == TokenEntry::State::erased ||
               removed();
    }
    /// By an operator: it answers for nobody, and can't come back.
    bool removed() const noexcept {
        return entry.state == TokenEntry::State::removed ||
               entry.state == TokenEntry::State::forgotten;
    }
    /// It answers for its name: the configuration has it, or an operator added it.
    bool is_source() const noexcept {
        return !removed() && (entry.origin == TokenEntry::Origin::configured ||
                              entry.origin == TokenEntry::Origin::added);
    }
    /// It is not in the configuration any more, and nobody has brought its token since: there is
    /// nothing to post with.
    bool missing() const noexcept { return !gone() && entry.secret.empty(); }
};

/// Why an operator's wish is not fulfilled.
struct Refusal {
    enum class Code {
        not_found,  ///< there is no such thing
        conflict,   ///< not allowed in its current state
        invalid,    ///< not understood
    };
    Code code = Code::conflict;
    std::string message;  ///< what is wrong and what to do, a sentence
};

/// For results; see throw_no_value().
[[noreturn]] inline void throw_exception_from_error(const Refusal&, const boost::source_location&) {
    throw_no_value();
}

template <class T>
using OrRefusal = boost::system::result<T, Refusal>;

struct FingerprintHash {
    std::size_t operator()(const Fingerprint& value) const noexcept;
};

class TokenTable {
public:
    /// `entries`: what the registry holds.
    TokenTable(const Salt& salt, std::vector<TokenEntry> entries);

    /// A slot that events or dead letters belong to, whether the registry knows it or not: its id
    /// is not given out again. One that the registry does not know becomes an unknown slot. Call
    /// it before anything adds slots.
    void reserve(TokenId id);

    /// What a configuration has changed.
    struct Configured {
        std::vector<TokenEntry> entries;  ///< for the registry
        struct Renamed {
            TokenId id = TokenId::none;
            std::string before;  ///< its label
        };
        std::vector<Renamed> renamed;
    };
    /// Replaces the sources of the configuration. identity.hpp says which slot each of them is.
    /// Slots of sources that are not there any more keep what is queued, their name and the
    /// fingerprint of their token. The names and the tokens of the sources are different ones.
    /// O(sources + slots).
    Configured configure(std::vector<ConfiguredSource> sources, WallTime now);

    /// Returns the slot of an addressee, if it may be used, TokenId::none if take() would make one,
    /// or else unknown_source or token_gone. `accept_unknown`: tokens of no source are taken as
    /// well. Changes nothing.
    boost::system::result<TokenId, Rejection> resolve(const Addressee& addressee,
                                                      bool accept_unknown) const;

    /// Returns the slots that an event for a source with routes goes to: that of the source, if
    /// there is one, and those of its routes, without any that are gone; or else token_gone. There
    /// is at least one route.
    boost::system::result<std::vector<TokenId>, Rejection> resolve_routes(
        std::string_view name) const;

    /// Returns the routes of a source in the order of their names, those that are gone included. A
    /// route is a source with a name like "ci/ops"; it belongs to the source "ci", which need not
    /// exist. The slot of "ci" is not among them.
    std::span<const TokenId> routes_of(std::string_view name) const;

    /// Returns the source that a route belongs to, whatever its state. Null: the slot is no route,
    /// or there is no such source.
    const Token* source_above(const Token& token) const;

    /// Returns the other slots that copies of an event of this slot can lie in, by id: those that
    /// are called like its source or one of its routes, whatever their state.
    std::vector<TokenId> related_to(TokenId id) const;

    /// Returns the defaults of events that name the slot as their source. A route has those of the
    /// source that it belongs to for each member that it has no default of its own for.
    const EventDefaults& defaults_of(const Token& token) const;

    /// Returns the slot of an addressee that resolve() did not refuse, whose event is accepted.
    /// Makes one for a flow_token that is new; one that has no token any more gets it back.
    TokenId take(const Addressee& addressee, WallTime now);

    /// Throws std::logic_error for a slot that does not exist.
    const Token& at(TokenId id) const;

    /// The same; notes that an event of the slot is taken.
    const Token& use(TokenId id);

    /// The same; notes that the filter of the slot did not let an event pass.
    const Token& use_filter(TokenId id);

    // ---- slots of tokens that came with events and belong to no source

    /// How many there are, whatever their state; those that an operator removed do not count.
    std::size_t direct() const noexcept { return direct_; }

    /// The slots of these that `is_unused` holds of and that nothing has been said of (they are
    /// active), those that were used longest ago first. The newest slot that the registry is known
    /// to hold is left out: it keeps the ids of those before it from being given out again.
    /// O(slots).
    std::vector<TokenId> unused(const std::function<bool(const Token&)>& is_unused) const;

    /// Forgets slots that unused() gave. Their ids are not given out again: a token that comes back
    /// gets a new slot.
    void forget(std::span<const TokenId> slots);

    /// The registry holds this entry. Returns whether that is what it has to hold now: only then
    /// is the slot durable.
    bool mark_durable(const TokenEntry& entry);

    /// Makes all slots of this slot's token gone (410). Returns the entries that changed, none if
    /// they were gone before.
    std::vector<TokenEntry> disable(TokenId id, WallTime now, Milliseconds grace);

    /// What was stored for a slot that is gone or removed has been erased: its secret, where its
    /// source lives and its filter go, and of one that was removed the fingerprint as well.
    TokenEntry erased(TokenId id, WallTime now);

    // ---- for operators (daemon/core/token_operations.cpp)
    //
    // Entries that come back are for the registry; the first is that of the slot in question.

    using Changes = std::vector<TokenEntry>;

    /// A name that somebody gave, fit to be shown: one that is the token of a slot, put into the
    /// wrong place, is "[token]".
    std::string shown_name(std::string_view name) const;

    /// What to say where no source goes by this name. `look`: where the names are.
    std::string no_such_source(std::string_view name, std::string_view look) const;

    /// The slot that goes by this name: of a source, or "token-7". Of several with the name the one
    /// that may be used, or else the newest.
    std::optional<TokenId> find(std::string_view label) const;

    /// All slots that go by this name, in their order; also by "token-7", which is one for sure.
    std::vector<TokenId> find_all(std::string_view label) const;

    /// The slot of this name whose token is gone and not erased yet, the newest of several.
    std::optional<TokenId> find_gone(std::string_view label) const;

    /// All slots with the token of this one that are gone and not erased yet, this one first.
    std::vector<TokenId> gone_with(TokenId id) const;

    /// Why no source can be added by this name, if so.
    std::optional<Refusal> refuse_name(std::string_view name) const;

    /// Adds a source. It takes over the slot of events that brought this very token, or that of a
    /// source of its name that has left the configuration, and stays paused if that is. Otherwise
    /// it gets a slot of its own. Refuses a name that can't be one, a name or a token that is in
    /// use, and a token that is gone. `flow_source`: the token's, if it is known.
    OrRefusal<Changes> add_source(const std::string& name, Secret secret, WallTime now,
                                  KnownFlowSource flow_source = {});

    /// Gives a source that was added another token; its lanes and queued events stay. Refuses one
    /// that another slot has. `flow_source`: as with add_source().
    OrRefusal<Changes> rotate(TokenId id, Secret secret, WallTime now,
                              KnownFlowSource flow_source = {});

    /// active <-> paused. Pausing twice is no error.
    OrRefusal<Changes> pause(TokenId id, WallTime now,
                             TokenEntry::Pause why = TokenEntry::Pause::by_operator);
    OrRefusal<Changes> resume(TokenId id, WallTime now);

    /// Sets which events of an added source are delivered. It counts for what is handed in from now
    /// on; what is queued stays. Refuses a source of the configuration, which has it there.
    OrRefusal<Changes> set_filter(TokenId id, KnownFilter filter);

    /// Takes a 410 back: all slots of its token are active again. Refuses one that is erased, or
    /// removed.
    OrRefusal<Changes> enable(TokenId id, WallTime now);

    /// Removes this slot, for good and at once: it is to be erased. Of one that is erased the
    /// fingerprint goes: its token can come again.
    OrRefusal<Changes> remove(TokenId id, WallTime now);

    /// What there is to do about a source that has left the configuration. The same words
    /// everywhere: refusals, reasons and explanations.
    std::string way_back(const Token& token) const;

    /// The entry as the registry has to hold it: without the secret of a configured source.
    TokenEntry registry_entry(TokenId id) const;

    /// By id.
    const std::map<TokenId, Token>& all() const noexcept { return tokens_; }

private:
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };

    Token& add_slot(const Fingerprint& print);
    void note_change(Token& token, const TokenEntry& before, WallTime now,
                     std::vector<TokenEntry>& changed);
    Changes changed(Token& token, const TokenEntry& before, WallTime now);
    std::optional<Refusal> refuse_token(const Secret& secret, const Fingerprint& print,
                                        std::string_view name) const;
    const Token* slot_of(const Fingerprint& print) const;
    void index();
    void index(const Token& token);
    void index_routes();

    Salt salt_;
    std::map<TokenId, Token> tokens_;
    std::unordered_map<std::string, TokenId, TextHash, std::equal_to<>> by_source_;
    std::unordered_map<std::string, TokenId, TextHash, std::equal_to<>> by_secret_;
    std::unordered_map<std::string, std::vector<TokenId>, TextHash, std::equal_to<>> routes_;
    /// Defaults of routes, with those of their sources.
    std::unordered_map<TokenId, EventDefaults> joined_defaults_;
    /// All but those that were removed. Of several that which is in use, or is gone and not erased.
    std::unordered_map<Fingerprint, TokenId, FingerprintHash> by_print_;
    std::uint64_t last_id_ = 0;
    std::uint64_t uses_ = 0;
    std::size_t direct_ = 0;
};

}  // namespace flowrelay::core
