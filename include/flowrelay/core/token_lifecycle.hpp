// What becomes of tokens: which of their states hold what back, what operators do with sources,
// what the registry still has to hold, and when and how what is stored for a token that is gone or
// was removed is erased.
//
//   gone (410) or removed -> its entry is durable -> the grace is over -> erasing() -> erased()
//                                                          ^                   |
//                                                          +--- a minute <- erase_failed()
//
// It changes the token table, and applies each change to the destination and to what is reported.
// Admission and delivery tell it of events whose token is gone; it knows neither. Pure; owned by
// one thread (the I/O thread).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/dedup_window.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/reporting.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/token_table.hpp"

namespace flowrelay::core {

class TokenLifecycle {
public:
    /// All arguments outlive it. `known_ids`: erasing() has it forget those of the token.
    TokenLifecycle(const RelayOptions& options, TokenTable& tokens, DedupWindow& known_ids,
                   Destination& destination, Reporting& reporting, Log& log);
    TokenLifecycle(const TokenLifecycle&) = delete;
    TokenLifecycle& operator=(const TokenLifecycle&) = delete;

    /// Takes the sources of the configuration in the place of the former ones; gives what the
    /// registry has to hold. A token that was parked is tried at once.
    std::vector<TokenEntry> configure(std::vector<ConfiguredSource> sources, Now now);
    /// Takes what recovery found of one token, after configure().
    void restore(TokenId token, std::uint64_t queued, Seq first);
    /// Logs that a token is unknown (Token::unknown), and what the spool holds of it.
    void tell_unknown(TokenId token, std::uint64_t queued, std::uint64_t dead_letters);

    // ---- for admission and delivery

    /// Has the destination do as the state of the slot says.
    void apply_state(TokenId id);
    /// A 410: all slots of the token are out of use. Returns what the registry has to hold.
    std::vector<TokenEntry> disable(TokenId token, Now now);
    /// An event became durable after its token was gone: it is erased with the others.
    void committed_too_late(TokenId token);
    /// An event that was under way when its token went was delivered, so it is not erased.
    void delivered_too_late(TokenId token);

    // ---- the registry

    /// Entries were put into the registry, or could not be: those are tried again in a while. A
    /// token that is gone, or was removed, is not erased before its entry says so durably.
    void tokens_saved(std::span<const TokenEntry> entries);
    void tokens_not_saved(std::span<const TokenEntry> entries, std::string_view reason, Now now);
    std::vector<TokenEntry> take_unsaved_tokens(Now now);
    /// Whether the registry does not have the present entry yet, as far as it matters.
    bool is_unsaved(TokenId token) const { return unsaved_.contains(token); }

    // ---- erasures

    /// Slots whose grace is over, to be erased; none of them twice unless erase_failed() says so.
    std::vector<TokenId> take_due_erasures(Now now);
    /// The events of a slot are erased: gives the entry without its secret for the registry.
    std::vector<TokenEntry> erasing(std::span<const TokenId> tokens, Now now);
    /// The secret has gone from the registry as well: nothing is left of the slot but a
    /// fingerprint.
    void erased(TokenId token, std::uint64_t events, std::uint64_t dead_letters);
    /// Any of these steps failed: it all is tried again in a minute.
    void erase_failed(TokenId token, std::string_view reason, Now now);
    /// So many events of a slot whose erasure failed are still there.
    void left_to_erase(TokenId token, std::uint64_t events);
    /// Why what is stored for a token that is gone or was removed can't be erased at present: the
    /// disk is full, say. Empty if nothing has failed.
    std::string erasure_waits(TokenId token) const;

    // ---- for operators (daemon/core/source_operations.cpp)
    //
    // Entries that come back are for the registry.

    OrRefusal<TokenTable::Changes> add_source(const std::string& name, Secret secret, Now now,
                                              KnownFlowSource flow_source = {});
    OrRefusal<TokenTable::Changes> rotate_source(TokenId token, Secret secret, Now now,
                                                 KnownFlowSource flow_source = {});
    OrRefusal<TokenTable::Changes> pause_source(
        TokenId token, Now now, TokenEntry::Pause why = TokenEntry::Pause::by_operator);
    /// Ends a pause; a token that is parked is tried at once.
    OrRefusal<TokenTable::Changes> resume_source(TokenId token, Now now);
    /// See TokenTable::set_filter().
    OrRefusal<TokenTable::Changes> set_source_filter(TokenId token, KnownFilter filter) {
        return tokens_.set_filter(token, std::move(filter));
    }
    /// Has all of it erased at once, without a grace. There is no way back.
    OrRefusal<TokenTable::Changes> remove_source(TokenId token, Now now);
    /// What lies in the spool of a slot that is out of use.
    struct StoredBacklog {
        TokenId token = TokenId::none;
        std::uint64_t queued = 0;
        Seq first = Seq::none;             ///< of the queued ones
        std::vector<QueuedEvent> replays;  ///< its dead letters that are to be delivered after all
    };
    /// Takes a 410 back while nothing is erased yet, for all slots of the token: `backlogs` has
    /// those of TokenTable::gone_with(), the one that is meant first.
    OrRefusal<TokenTable::Changes> enable_source(std::span<const StoredBacklog> backlogs, Now now);

    // ---- views

    /// Events of a token that wait for delivery; of one that is gone what still lies on the disk
    /// until it is erased.
    std::uint64_t queued(TokenId token) const;
    /// Why a token does not take events, in a sentence; empty when it does.
    std::string token_reason(TokenId token) const;
    /// When there may be something to erase or to put into the registry, if nothing comes in
    /// before.
    std::optional<MonoTime> next_wakeup(Now now) const;

private:
    struct Erasure {
        TokenId token;
        WallTime due;
    };

    std::map<TokenId, Fingerprint> fingerprints() const;
    void renew_changed_tokens(const std::map<TokenId, Fingerprint>& before);
    void take_out(TokenId token);
    std::optional<Refusal> refuse_enable(std::span<const StoredBacklog> backlogs) const;
    void schedule_erasure(const TokenEntry& entry);
    void schedule_erasures();

    const RelayOptions& options_;
    TokenTable& tokens_;
    DedupWindow& dedup_;
    Destination& destination_;
    Scheduler& scheduler_;
    ActiveSet& active_;
    Reporting& reporting_;
    Log& log_;
    std::map<TokenId, std::uint64_t> to_erase_;  ///< events of tokens that are gone
    std::vector<Erasure> erasures_;
    std::set<TokenId> erasing_;  ///< begun, perhaps in vain so far: some of it is gone
    std::map<TokenId, std::string> erase_failures_;  ///< of them: why it was in vain
    std::set<TokenId> unsaved_;  ///< the registry does not have the present entry yet
    std::set<TokenId> to_save_;  ///< of them: it was tried in vain
    std::optional<MonoTime> save_again_at_;
};

}  // namespace flowrelay::core
