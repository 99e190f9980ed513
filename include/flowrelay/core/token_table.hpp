// The tokens that the relay knows: which there are, what they are called, whether they may be used.
//
// A slot (TokenId) belongs to a configured source, or to a flow_token that came with an event.
// Changes come back as entries for the registry: they count at once, and are to be made durable
// before anything relies on them.
//
// Pure; owned by one thread (the I/O thread).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/submitter.hpp"

namespace flowrelay::core {

/// A source of the configuration, with its token read.
struct ConfiguredSource {
    std::string name;
    Secret secret;
    EventDefaults defaults;
    double rate_limit = 0;         ///< events per second; 0: none
    bool hold_rejected = false;    ///< a lane whose event is rejected waits for an operator
    AllowRule allow;               ///< who may use it
    bool report_problems = false;  ///< the flow is told of its trouble
};

/// "token-7": what a slot is called that belongs to no source, and names any slot for sure.
std::string slot_name(TokenId id);

/// One slot, as the relay works with it.
struct Token {
    TokenEntry entry;  ///< of a source the secret is here as well, for posting
    EventDefaults defaults;
    double rate_limit = 0;  ///< as that of its source
    bool hold_rejected = false;
    AllowRule allow;
    bool report_problems = false;
    bool configured = true;  ///< false: a source that is no longer in the configuration
    /// An operator added the source: its secret lies in the registry, not in the configuration.
    bool managed = false;
    bool durable = true;  ///< the registry is known to hold the slot
    /// Only the spool mentions the slot: the registry was lost or is of another time. It has no
    /// token, so nothing is posted; its events are kept, listed, dropped and expire as others do.
    bool unknown = false;

    /// What logs and answers call it: the source's name, or "token-7".
    std::string label() const;

    /// The destination has removed it: nothing is accepted for it or posted with it.
    bool gone() const noexcept {
        return entry.state == TokenEntry::State::gone || entry.state == TokenEntry::State::erased;
    }
};

/// Why an operator's wish is not fulfilled.
struct Refusal {
    enum class Code {
        not_found,  ///< there is no such thing
        conflict,   ///< not in the state that it has
        invalid,    ///< not understood
    };
    Code code = Code::conflict;
    std::string message;  ///< what is wrong and what to do, a sentence
};

template <class T>
using Wish = boost::system::result<T, Refusal>;

class TokenTable {
public:
    /// `entries`: what the registry holds.
    TokenTable(const Salt& salt, std::vector<TokenEntry> entries);

    /// A slot that events or dead letters belong to, whether the registry knows it or not: its id
    /// is not given out again. One that the registry does not know becomes an unknown slot. Call
    /// it before anything adds slots.
    void reserve(TokenId id);

    /// Takes the sources of a configuration in the place of the former ones. A source keeps its
    /// slot by its name, also with a new token; unless its old one is gone: what belonged to a
    /// removed integration must not come out under another one, so it gets a new slot. A
    /// flow_token that is now a source's hands its slot to it, and so does a source that is not
    /// configured any more: it was renamed. Gives the entries that changed. The names of the
    /// sources are different ones. O(sources + slots).
    std::vector<TokenEntry> configure(std::vector<ConfiguredSource> sources, WallTime now);

    /// The slot of an addressee, if it may be used: otherwise unknown_source or token_gone.
    /// Unknown flow_tokens get a slot when `add_unknown` is set: that of a source which had the
    /// token and is not configured any more, or a new one.
    boost::system::result<TokenId, Rejection> resolve(const Addressee& addressee, bool add_unknown,
                                                      WallTime now);

    /// Throws std::logic_error for a slot that does not exist.
    const Token& at(TokenId id) const;

    /// The registry holds the slot from now on.
    void mark_durable(TokenId id);

    /// 410: this slot and all others with the same token are gone. Gives the entries that changed,
    /// none if it was gone before.
    std::vector<TokenEntry> disable(TokenId id, WallTime now, Milliseconds grace);

    /// What was stored for a slot that is gone has been erased: the secret goes as well.
    TokenEntry erased(TokenId id, WallTime now);

    // ---- for operators (daemon/core/token_operations.cpp)

    /// The slot that goes by this name: of a source, or "token-7". Of several with the name the one
    /// that may be used, or else the newest.
    std::optional<TokenId> find(std::string_view label) const;

    /// All slots that go by this name, in their order; also by "token-7", which is one for sure.
    std::vector<TokenId> find_all(std::string_view label) const;

    /// The slot of this name whose token is gone and not erased yet, the newest of several.
    std::optional<TokenId> find_gone(std::string_view label) const;

    /// Why no source can be added by this name, if so.
    std::optional<Refusal> refuse_name(std::string_view name) const;

    /// A new source. It gets a slot of its own, or takes over that of events that brought this very
    /// token. Refuses a name that can't be one, and one that is in use.
    Wish<TokenEntry> add_source(const std::string& name, Secret secret, WallTime now);

    /// Another token for a source that was added by add_source(); its lanes and queued events stay.
    Wish<TokenEntry> rotate(TokenId id, Secret secret, WallTime now);

    /// active <-> paused. Pausing twice is no error.
    Wish<TokenEntry> pause(TokenId id, WallTime now);
    Wish<TokenEntry> resume(TokenId id, WallTime now);

    /// Takes a 410 back: the slot is active again. Refuses one that is erased.
    Wish<TokenEntry> enable(TokenId id, WallTime now);

    /// As disable(), but of this slot alone and at once.
    Wish<TokenEntry> remove(TokenId id, WallTime now);

    /// The entry as the registry has to hold it: without the secret of a configured source.
    TokenEntry registry_entry(TokenId id) const;

    /// By id.
    const std::map<TokenId, Token>& all() const noexcept { return tokens_; }

private:
    struct FingerprintHash {
        std::size_t operator()(const Fingerprint& value) const noexcept;
    };
    struct TextHash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };

    Token& add_slot(TokenEntry entry);
    Token* find_source(std::string_view name);
    TokenEntry change_state(Token& token, TokenEntry::State state, WallTime now);
    /// A name may have several: their tokens are gone, but for one.
    using SlotsByName = std::unordered_map<std::string, std::vector<TokenId>>;
    SlotsByName slots_by_name() const;
    Token* find_slot(const std::vector<TokenId>& slots, const Fingerprint& print);
    Token& slot_for_source(const ConfiguredSource& source, const SlotsByName& slots,
                           const Fingerprint& print, WallTime now);
    void index();

    Salt salt_;
    std::map<TokenId, Token> tokens_;
    std::unordered_map<std::string, TokenId, TextHash, std::equal_to<>> by_source_;
    std::unordered_map<std::string, TokenId, TextHash, std::equal_to<>> by_secret_;
    std::unordered_map<Fingerprint, TokenId, FingerprintHash> gone_;
    /// Of sources that have left the configuration.
    std::unordered_map<Fingerprint, TokenId, FingerprintHash> left_;
    std::uint64_t last_id_ = 0;
};

}  // namespace flowrelay::core
