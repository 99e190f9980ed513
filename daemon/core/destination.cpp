#include "flowrelay/core/destination.hpp"

#include <algorithm>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

namespace {

// No request is under way for as long as it takes to change the destination more often.
constexpr std::size_t max_former_destinations = 16;

// Shorter waits are not worth a write.
constexpr Seconds shortest_hold{10};

constexpr Seconds load_again_after{10};

}  // namespace

Destination::Destination(const RelayOptions& options, const TokenTable& tokens, Log& log,
                         Random random)
    : options_(options),
      tokens_(tokens),
      log_(log),
      scheduler_(options.scheduler, random),
      active_(scheduler_, options.active_set) {}

// ---------------------------------------------------------------- which one it is

void Destination::change() {
    former_.emplace(number_++, options_.destination);
    if (former_.size() > max_former_destinations) former_.erase(former_.begin());
    scheduler_.renew_destination();
    remembered_holds_.clear();
    refusals_.forget_all();
}

std::uint64_t Destination::hash() const {
    return hash_thread(options_.destination + options_.route);
}

SentWith Destination::sent_with_now(TokenId token) const {
    return {tokens_.at(token).entry.fingerprint, number_};
}

bool Destination::is_outdated(const Assignment& assignment) const {
    return assignment.with != sent_with_now(assignment.lane.token);
}

std::string Destination::url_of(const SentWith& with) const {
    if (is_here(with)) return options_.destination;
    const auto former = former_.find(with.destination);
    return former != former_.end() ? former->second : "a former destination";
}

// ---------------------------------------------------------------- waits

bool Destination::restore(const Hold& hold, Now now) {
    const Milliseconds left = std::min(hold.until - now.wall, options_.retry_after_cap);
    if (left <= Milliseconds(0) || hold.destination != hash()) return false;
    if (hold.token != TokenId::none) {
        const auto slot = tokens_.all().find(hold.token);
        if (slot == tokens_.all().end() || slot->second.gone()) return false;
        if (slot->second.entry.fingerprint != hold.fingerprint) return false;
        scheduler_.hold_token(hold.token, now.mono + left);
    } else {
        scheduler_.hold_destination(now.mono + left);
    }
    remembered_holds_[hold.token] = hold.until;
    return true;
}

std::optional<Hold> Destination::hold_to_remember(TokenId token, const Judgement& judgement,
                                                  std::optional<Scope> scope, Now now) {
    if (!judgement.hold || *judgement.hold < shortest_hold) return std::nullopt;
    if (!scope || *scope == Scope::thread) return std::nullopt;
    Hold hold;
    hold.destination = hash();
    if (*scope == Scope::token) {
        if (tokens_.at(token).removed()) return std::nullopt;  // nothing of it stays on the disk
        hold.token = token;
        hold.fingerprint = tokens_.at(token).entry.fingerprint;
    }
    hold.until = now.wall + *judgement.hold;
    // Thirty answers to one burst say about the same.
    WallTime& remembered = remembered_holds_.try_emplace(hold.token, now.wall).first->second;
    if (hold.until - remembered < *judgement.hold / 10) return std::nullopt;
    remembered = hold.until;
    return hold;
}

// ---------------------------------------------------------------- tokens

void Destination::renew(TokenId token) {
    scheduler_.renew_token(token);
    refusals_.forget(token);
    remembered_holds_.erase(token);
}

void Destination::take_out(TokenId token) {
    refusals_.forget(token);
    scheduler_.remove_token(token);
    active_.forget(token);
}

void Destination::forget(TokenId token) {
    refusals_.forget(token);
    remembered_holds_.erase(token);
    scheduler_.remove_token(token);
}

// Of those on the disk alone some may be of other threads, until all has been looked through.
Refusals::Threads Destination::threads_with_events(TokenId token) const {
    if (active_.is_reading(token)) return std::nullopt;
    return scheduler_.threads(token, Refusals::enough_threads);
}

// ---------------------------------------------------------------- what is on the disk

void Destination::loaded(const LoadRequest& request, const LoadedSlice& slice) {
    const auto slot = tokens_.all().find(request.token);
    const bool usable = slot != tokens_.all().end() && !slot->second.gone();
    if (usable) active_.loaded(request, slice);
}

void Destination::load_failed(const LoadRequest& request, std::string_view reason, Now now) {
    log_.write(ev::spool_read_failed,
               {{"source", tokens_.at(request.token).label()}, {"reason", reason}});
    active_.load_failed(request);
    retry_loads_at_ = now.mono + load_again_after;
}

void Destination::retry_loads(Now now) {
    if (!retry_loads_at_ || now.mono < *retry_loads_at_) return;
    retry_loads_at_.reset();
    active_.retry_failed();
}

void Destination::replayed(std::span<const QueuedEvent> events) {
    for (const auto& event : events) {
        const auto slot = tokens_.all().find(event.lane.token);
        const bool usable = slot != tokens_.all().end() && !slot->second.gone();
        if (!usable || scheduler_.contains(event.seq)) continue;
        QueuedEvent letter = event;
        letter.sent = true;  // what was refused was sent
        active_.replay(letter);
    }
}

std::optional<MonoTime> Destination::next_wakeup(Now now) const {
    auto wakeup = scheduler_.next_wakeup(now);
    if (retry_loads_at_ && (!wakeup || *retry_loads_at_ < *wakeup)) wakeup = retry_loads_at_;
    return wakeup;
}

}  // namespace flowrelay::core
