// The relay's state machine: what a full store of dead letters holds back, and when it goes on.
#include <span>
#include <vector>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

namespace ev = log_events;

constexpr Seconds tell_again_after{3600};

void Relay::tell_letters_missing(std::uint64_t missing, std::uint64_t kept) {
    log_.write(ev::letters_missing, {{"missing", missing}, {"dead_letters", kept}});
}

void Relay::letters_stored(const LetterUsage& usage, Now now) {
    letter_room_.stored(usage);
    note_letter_room(now);
    release_held_by_letters();
}

void Relay::buried(std::span<const Seq> events) {
    for (const Seq seq : events) {
        const auto letter = unwritten_.find(seq);
        if (letter == unwritten_.end()) continue;
        scheduler_.block_lane(letter->second, false);
        unwritten_.erase(letter);
    }
}

void Relay::release_held_by_letters() {
    scheduler_.set_expiring(letter_room_.has_room());
    // Each of them is refused again or delivered; what finds no room is held again. The next report
    // of the store lets more of them go.
    std::uint64_t free = letter_room_.free_letters();
    while (free > 0 && !held_by_letters_.empty()) {
        const Seq seq = held_by_letters_.extract(held_by_letters_.begin()).value();
        if (scheduler_.release_lane(seq)) --free;
    }
}

std::set<TokenId> Relay::holding_tokens() const {
    std::set<TokenId> holding;
    for (const auto& [id, token] : tokens_.all()) {
        if (scheduler_.token_status(id).held_lanes > 0) holding.insert(id);
    }
    return holding;
}

// Its source holds rejected events no longer: what was held is tried again, and becomes a dead
// letter if it is refused again. What waits for room among the dead letters goes on waiting.
void Relay::release_held(TokenId token) {
    std::uint64_t threads = 0;
    for (const Seq seq : scheduler_.held(token)) {
        if (!held_by_letters_.contains(seq) && scheduler_.release_lane(seq)) ++threads;
    }
    if (threads == 0) return;
    log_.write(ev::delivery_released,
               {{"source", tokens_.at(token).label()}, {"threads", threads}});
}

void Relay::note_letter_room(Now now) {
    scheduler_.set_expiring(letter_room_.has_room());
    if (!letter_room_.is_store_full()) {
        if (tell_letters_full_at_) {
            tell_letters_full_at_.reset();
            log_.write(ev::dead_letters_have_room,
                       {{"dead_letters", letter_room_.usage().letters}});
        }
        return;
    }
    if (tell_letters_full_at_ && now.mono < *tell_letters_full_at_) return;
    tell_letters_full_at_ = now.mono + tell_again_after;
    const bool by_count = letter_room_.usage().letters >= letter_room_.limits().max_events;
    log_.write(ev::dead_letters_full,
               {{"dead_letters", letter_room_.usage().letters},
                {"limit", by_count ? "dead_letters.max_events" : "dead_letters.max_bytes"},
                {"held_threads", held_by_letters_.size()},
                {"queued", destination_.queued()}});
}

// A final refusal that everybody gets is no event's fault: it parks the token, or the destination,
// and what was refused like that before is queued again. Gives what to say of it, or nothing.
std::string Relay::widen_refusal(const Assignment& assignment, Judgement& judgement,
                                 Effects& effects) {
    const TokenId token = assignment.lane.token;
    if (tokens_.at(token).gone()) return {};
    if (judgement.verdict == Verdict::delivered) destination_.refusals().delivered(token);
    if (judgement.verdict != Verdict::rejected) return {};
    const auto found = destination_.refusals().refused(assignment.lane, assignment.seq,
                                                       destination_.threads_with_events(token));
    if (found.scope == Refusals::Scope::event) return {};
    const bool of_all = found.scope == Refusals::Scope::destination;
    judgement.verdict = of_all ? Verdict::park_destination : Verdict::park_token;
    judgement.of_everybody = of_all;
    for (const Seq seq : found.go_back) {
        if (scheduler_.contains(seq)) {
            held_by_letters_.erase(seq);
            scheduler_.release_lane(seq);
        } else {
            effects.replay.push_back(seq);
        }
    }
    return of_all ? "two tokens or more get nothing else: is the destination the right one?"
                  : "every event is refused like this: nothing is wrong with one of them alone";
}

std::optional<Milliseconds> Relay::take_due_trim(Now now) {
    if (now.mono < trim_at_) return std::nullopt;
    trim_at_ = now.mono + std::chrono::hours(1);
    return options_.dead_letters.max_age;
}

}  // namespace flowrelay::core
