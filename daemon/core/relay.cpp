#include "flowrelay/core/relay.hpp"

#include <fmt/format.h>

#include <utility>

namespace flowrelay::core {

Relay::Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens, Random random,
             Log& log)
    : Relay(std::move(options), salt, std::move(tokens),
            Randomness{Random(random.next()), Random(random.next()), Random(random.next())}, log) {}

Relay::Relay(RelayOptions options, const Salt& salt, std::vector<TokenEntry> tokens,
             const Randomness& random, Log& log)
    : options_(std::move(options)),
      tokens_(salt, std::move(tokens)),
      known_ids_(options_.dedup_window, options_.dedup_entries),
      destination_(options_, tokens_, log, random.scheduler),
      reporting_(options_, tokens_, destination_, random.checks, log),
      lifecycle_(options_, tokens_, known_ids_, destination_, reporting_, log),
      admission_(options_, tokens_, known_ids_, counters_, destination_, reporting_, lifecycle_,
                 random.ids, log),
      unused_(options_, tokens_, known_ids_, destination_, reporting_, lifecycle_, admission_, log),
      letters_(options_, counters_, destination_, log),
      delivery_(options_, tokens_, counters_, destination_, letters_, lifecycle_, reporting_, log) {
}

void Relay::set_options(RelayOptions options) {
    if (options.destination != options_.destination || options.route != options_.route) {
        destination_.change();
        reporting_.destination_changed(options.destination);
    }
    options_ = std::move(options);
    destination_.options_changed();
    known_ids_.set_window(options_.dedup_window);
    reporting_.flow().options_changed();
    letters_.options_changed();
}

std::vector<TokenEntry> Relay::configure(std::vector<ConfiguredSource> sources, Now now) {
    const auto holding = delivery_.holding_tokens();
    auto changed = lifecycle_.configure(std::move(sources), now);
    delivery_.release_no_longer_held(holding);
    return changed;
}

std::optional<MonoTime> Relay::next_wakeup(Now now) const {
    std::optional<MonoTime> earliest;
    const auto consider = [&earliest](const std::optional<MonoTime>& at) {
        if (at && (!earliest || *at < *earliest)) earliest = at;
    };
    consider(destination_.next_wakeup(now));
    consider(reporting_.flow().next_wakeup());
    consider(reporting_.liveness().next_wakeup());
    consider(lifecycle_.next_wakeup(now));
    consider(unused_.next_wakeup());
    consider(letters_.next_wakeup());
    return earliest;
}

Situation Relay::situation(const QueuedEvent& event) const {
    const Scheduler& scheduler = destination_.scheduler();
    Situation situation;
    const auto reason = scheduler.why(event.seq);
    situation.stored = !reason;
    situation.reason = reason ? *reason : scheduler.why(event.lane);
    const Seq head = situation.reason.lane_next;
    situation.is_next = head == event.seq;
    if (head != Seq::none) {
        situation.head = fmt::format("event {}", to_number(head));
        situation.held_by_letters = letters_.is_held(head);
        const auto of_head = scheduler.why(head);
        if (of_head) situation.head_attempts = of_head->attempts;
        const auto attempts = reporting_.history().attempts(head);
        if (!attempts.empty()) situation.head_trouble = attempts.back().reason;
    }
    const auto slot = tokens_.all().find(event.lane.token);
    if (slot != tokens_.all().end()) {
        situation.source = slot->second.label();
        situation.token_state = slot->second.entry.state;
        situation.pause = slot->second.entry.pause;
        situation.erase_at = slot->second.entry.erase_at;
        situation.configured = !slot->second.missing();
        situation.unknown = slot->second.unknown;
        situation.token_trouble = lifecycle_.token_reason(event.lane.token);
    } else {
        situation.source = slot_name(event.lane.token);
        situation.unknown = true;
    }
    situation.deliveries_held = destination_.deliveries_held();
    situation.destination = destination_.url();
    situation.destination_trouble = reporting_.destination_reason();
    return situation;
}

}  // namespace flowrelay::core
