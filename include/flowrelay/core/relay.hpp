// The relay's state machine: decides what to do with each submission, attempt and timer.
//
//   submit -> append -> committed -> next -> attempted -> settle | bury | wait
//
// It does no I/O and has no clock: what it decides it returns, and who calls it carries it out
// (runtime/engine in the daemon, a simulation in tests). Log lines go to the Log it was given.
//
// This class puts the parts together, owns what they share, and does what concerns several of them.
// Everything else is asked of the part that it belongs to. A part knows those below it through
// references, and none above it:
//
//   UnusedTokens -> Admission -> TokenLifecycle -> Reporting -> Destination
//                    Delivery -> TokenLifecycle
//                    Delivery -> LetterHolds -> Destination
//
// The token table, the options, the counters, the ids that were accepted lately and the log are
// shared by all that need them.
//
// Owned by one thread (the I/O thread), and so are its parts.
#pragma once

#include <optional>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/admission.hpp"
#include "flowrelay/core/dedup_window.hpp"
#include "flowrelay/core/delivery.hpp"
#include "flowrelay/core/destination.hpp"
#include "flowrelay/core/explain.hpp"
#include "flowrelay/core/letter_holds.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/relay_options.hpp"
#include "flowrelay/core/reporting.hpp"
#include "flowrelay/core/stored_event.hpp"
#include "flowrelay/core/token_lifecycle.hpp"
#include "flowrelay/core/token_table.hpp"
#include "flowrelay/core/unused_tokens.hpp"

namespace flowrelay::core {

class Relay {
public:
    /// `log` outlives the relay. `tokens` is what the registry holds.
    Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens, Random random,
          Log& log);
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    // ---- what concerns several parts

    /// Replaces the options. Waits already in progress keep their deadlines, unless the destination
    /// or the route is another one: then nothing that was said by the former one counts.
    void set_options(RelayOptions options);

    /// Takes the sources of the configuration in the place of the former ones; gives what the
    /// registry has to hold. A token that was parked is tried at once, and threads go on whose
    /// source does not hold rejected events any more.
    std::vector<TokenEntry> configure(std::vector<ConfiguredSource> sources, Now now);

    /// When any part may have something to do if nothing comes in before.
    std::optional<MonoTime> next_wakeup(Now now) const;

    /// Why a queued event waits.
    Situation situation(const QueuedEvent& event) const;

    // ---- parts

    Destination& destination() noexcept { return destination_; }
    const Destination& destination() const noexcept { return destination_; }
    Reporting& reporting() noexcept { return reporting_; }
    const Reporting& reporting() const noexcept { return reporting_; }
    TokenLifecycle& lifecycle() noexcept { return lifecycle_; }
    const TokenLifecycle& lifecycle() const noexcept { return lifecycle_; }
    Admission& admission() noexcept { return admission_; }
    const Admission& admission() const noexcept { return admission_; }
    UnusedTokens& unused() noexcept { return unused_; }
    LetterHolds& letters() noexcept { return letters_; }
    const LetterHolds& letters() const noexcept { return letters_; }
    Delivery& delivery() noexcept { return delivery_; }
    const Delivery& delivery() const noexcept { return delivery_; }

    // ---- what the parts share

    const RelayOptions& options() const noexcept { return options_; }
    const RelayCounters& counters() const noexcept { return counters_; }
    TokenTable& tokens() noexcept { return tokens_; }
    const TokenTable& tokens() const noexcept { return tokens_; }

private:
    /// What the parts draw from.
    struct Randomness {
        Random scheduler;
        Random ids;
        Random checks;
    };
    Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens,
          const Randomness& random, Log& log);

    RelayOptions options_;
    RelayCounters counters_;
    TokenTable tokens_;
    DedupWindow known_ids_;
    Destination destination_;
    Reporting reporting_;
    TokenLifecycle lifecycle_;
    Admission admission_;
    UnusedTokens unused_;
    LetterHolds letters_;
    Delivery delivery_;
};

}  // namespace flowrelay::core
