#include "flowrelay/core/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace flowrelay::core {
namespace {

std::string with_trouble(std::string text, std::string_view trouble) {
    if (trouble.empty()) return text;
    text += ": ";
    text += trouble;
    return text;
}

std::string in_time(std::optional<Milliseconds> wait) {
    if (!wait || wait->count() <= 0) return "now";
    const bool long_one = *wait >= Seconds(1);  // "in 20s", not "in 20s317ms"
    return "in " + format_duration(long_one ? *wait - *wait % Seconds(1) : *wait);
}

/// Builds the chain of one event.
class Chain {
public:
    Chain(const Situation& situation, MonoTime now) : about_(situation), now_(now) {}

    std::vector<ChainLink> make() && {
        if (about_.reason.in_flight) {
            add(Cause::in_flight, Milliseconds(0),
                "its request is under way: connecting, sending, or waiting for the answer");
            return std::move(links_);
        }
        if (about_.token_state != TokenEntry::State::active &&
            about_.token_state != TokenEntry::State::paused) {
            add_gone();
            return std::move(links_);
        }
        add_lane();
        add_token();
        add_destination();
        if (about_.deliveries_held) {
            add(Cause::deliveries_held, std::nullopt,
                "the spool came from another machine, and nothing is posted until an operator has "
                "decided: `flowrelay spool adopt`");
        }
        if (links_.empty()) {
            add(Cause::ready, Milliseconds(0),
                "nothing holds it: it goes as soon as it is its turn");
        }
        return std::move(links_);
    }

private:
    std::optional<Milliseconds> wait_until(std::optional<MonoTime> until) const {
        if (!until) return std::nullopt;
        return std::max(Milliseconds(0), std::chrono::ceil<Milliseconds>(*until - now_));
    }

    bool is_ahead(std::optional<MonoTime> until) const { return until && *until > now_; }

    void add(Cause cause, std::optional<Milliseconds> wait, std::string text) {
        links_.push_back({cause, wait, std::move(text)});
    }

    void add_lane() {
        const auto& reason = about_.reason;
        if (about_.stored) {
            add(Cause::stored, std::nullopt,
                "it is further back in its queue: it lies on disk until those in front have gone");
        } else if (reason.lane_next_in_flight) {
            add(Cause::behind_in_flight, Milliseconds(0),
                fmt::format("{} of its thread comes first, and its request waits for the answer",
                            about_.head));
        }
        const bool behind =
            about_.stored ? !about_.head.empty() : !reason.lane_next_in_flight && !about_.is_next;
        if (behind) {
            add(Cause::behind, std::nullopt,
                fmt::format("{} of its thread has to be delivered first", about_.head));
        }
        if (reason.lane_held && about_.held_by_letters) {
            add(Cause::dead_letters_full, std::nullopt,
                with_trouble(fmt::format("{} was refused and the dead letters are full: its thread "
                                         "goes on when there is room (`dead replay`, `dead drop`, "
                                         "or larger dead_letters limits)",
                                         about_.head),
                             about_.head_trouble));
        } else if (reason.lane_held) {
            add(Cause::thread_held, std::nullopt,
                with_trouble(fmt::format("{} was refused and its thread waits for you: `queue "
                                         "retry` or `queue drop`",
                                         about_.head),
                             about_.head_trouble));
        }
        if (reason.lane_blocked) {
            add(Cause::dead_letter_unwritten, std::nullopt,
                "an event of its thread became a dead letter that is not on the disk yet: the "
                "thread goes on when it is. If that lasts, the log says why: make room on the disk "
                "after dead_letters.failed, mend the disk and restart the daemon after "
                "spool.failed");
        }
        if (is_ahead(reason.lane_until)) {
            add(Cause::thread_waits, wait_until(reason.lane_until),
                with_trouble(
                    fmt::format("its thread waits after attempt {}, the next is {}",
                                about_.head_attempts, in_time(wait_until(reason.lane_until))),
                    about_.head_trouble));
        }
    }

    // Then nothing else matters or is known.
    void add_gone() {
        const auto text = [this] {
            switch (about_.token_state) {
                case TokenEntry::State::erased:
                    return fmt::format("{} is gone, and what was stored for it is erased",
                                       about_.source);
                case TokenEntry::State::removed:
                    return fmt::format("{} was removed: what is stored for it is being erased",
                                       about_.source);
                case TokenEntry::State::forgotten:
                    return fmt::format("{} was removed, and what was stored for it is erased",
                                       about_.source);
                default:
                    return fmt::format(
                        "{} is gone: nothing more is sent, and what is stored for "
                        "it is erased at {}",
                        about_.source, format_time(about_.erase_at));
            }
        };
        add(Cause::token_gone, std::nullopt, text());
    }

    void add_token() {
        const auto& token = about_.reason.token;
        const auto wait = wait_until(std::max(token.until, token.probe_by));
        if (about_.unknown) {
            add(Cause::token_unknown, std::nullopt,
                fmt::format("the registry of tokens does not know {}, so there is no token to post "
                            "it with: put the file `tokens` that belongs to this spool back "
                            "(`flowrelay restore`), or `queue drop --source {}`",
                            about_.source, about_.source));
            return;
        }
        if (!about_.configured) {
            add(Cause::token_unconfigured, std::nullopt, about_.token_trouble);
            return;
        }
        if (about_.token_state == TokenEntry::State::paused) {
            const bool by_operator = about_.pause == TokenEntry::Pause::by_operator;
            add(Cause::token_paused, std::nullopt,
                by_operator ? fmt::format("{} was paused by an operator: `source resume {}`",
                                          about_.source, about_.source)
                            : fmt::format("{} is {}", about_.source, about_.token_trouble));
            return;
        }
        if (token.state == TokenState::throttled) {
            add(Cause::token_throttled, wait,
                with_trouble(fmt::format("the destination asks {} to wait, the next attempt is {}",
                                         about_.source, in_time(wait)),
                             about_.token_trouble));
        } else if (token.state == TokenState::parked) {
            add(Cause::token_parked, wait,
                with_trouble(fmt::format("the destination refuses the token of {}, one event is "
                                         "tried {}",
                                         about_.source, in_time(wait)),
                             about_.token_trouble));
        }
        if (token.state == TokenState::failing) {
            add(Cause::token_failing, wait,
                with_trouble(fmt::format("events of {} fail in several threads, and those of "
                                         "others do not, one event is tried {}",
                                         about_.source, in_time(wait)),
                             about_.token_trouble));
        }
        if (about_.reason.token_full) {
            add(Cause::token_full, Milliseconds(0),
                fmt::format("as many requests of {} are under way as its share of the connections",
                            about_.source));
        }
        if (is_ahead(token.rate_limited_until)) {
            add(Cause::token_rate_limit, wait_until(token.rate_limited_until),
                fmt::format("the rate limit of {} lets the next event go {}", about_.source,
                            in_time(wait_until(token.rate_limited_until))));
        }
        if (is_ahead(token.paced_until)) {
            add(Cause::token_paced, wait_until(token.paced_until),
                fmt::format("{} answered that events of {} came too fast, the next one goes {}",
                            about_.destination, about_.source,
                            in_time(wait_until(token.paced_until))));
        }
    }

    void add_destination() {
        const auto& reason = about_.reason;
        const auto wait = wait_until(reason.destination_until);
        const auto closed = [&](Cause cause, std::string_view what) {
            add(cause, wait,
                with_trouble(fmt::format("{} {}, one event is tried {}", about_.destination, what,
                                         in_time(wait)),
                             about_.destination_trouble));
        };
        switch (reason.destination) {
            case DestinationState::held:
                closed(Cause::destination_held, "asks everybody to wait");
                break;
            case DestinationState::parked:
                closed(Cause::destination_parked, "answers as if base_url or path were wrong");
                break;
            case DestinationState::down:
                closed(Cause::destination_down, "is down");
                break;
            case DestinationState::up:
                if (reason.destination_full) {
                    add(Cause::destination_full, Milliseconds(0),
                        fmt::format("as many requests are under way as {} can take",
                                    about_.destination));
                }
                break;
        }
        if (is_ahead(reason.destination_rate_limited_until)) {
            const auto limited = wait_until(reason.destination_rate_limited_until);
            add(Cause::destination_rate_limit, limited,
                fmt::format("destination.rate_limit lets the next event go {}", in_time(limited)));
        }
        if (is_ahead(reason.destination_paced_until)) {
            const auto paced = wait_until(reason.destination_paced_until);
            add(Cause::destination_paced, paced,
                fmt::format("{} answered that events came too fast, the next one goes {}",
                            about_.destination, in_time(paced)));
        }
    }

    const Situation& about_;
    MonoTime now_;
    std::vector<ChainLink> links_;
};

}  // namespace

std::string_view to_string(Cause cause) noexcept {
    switch (cause) {
        case Cause::in_flight:
            return "in_flight";
        case Cause::ready:
            return "ready";
        case Cause::stored:
            return "stored";
        case Cause::behind:
            return "behind";
        case Cause::behind_in_flight:
            return "behind_in_flight";
        case Cause::thread_waits:
            return "thread_waits";
        case Cause::thread_held:
            return "thread_held";
        case Cause::dead_letters_full:
            return "dead_letters_full";
        case Cause::dead_letter_unwritten:
            return "dead_letter_unwritten";
        case Cause::token_throttled:
            return "token_throttled";
        case Cause::token_parked:
            return "token_parked";
        case Cause::token_failing:
            return "token_failing";
        case Cause::token_full:
            return "token_full";
        case Cause::token_paused:
            return "token_paused";
        case Cause::token_unconfigured:
            return "token_unconfigured";
        case Cause::token_unknown:
            return "token_unknown";
        case Cause::token_gone:
            return "token_gone";
        case Cause::token_paced:
            return "token_paced";
        case Cause::token_rate_limit:
            return "token_rate_limit";
        case Cause::destination_held:
            return "destination_held";
        case Cause::destination_parked:
            return "destination_parked";
        case Cause::destination_down:
            return "destination_down";
        case Cause::destination_paced:
            return "destination_paced";
        case Cause::destination_rate_limit:
            return "destination_rate_limit";
        case Cause::destination_full:
            return "destination_full";
        case Cause::deliveries_held:
            return "deliveries_held";
    }
    return "unknown";
}

std::vector<ChainLink> explain(const Situation& situation, MonoTime now) {
    return Chain(situation, now).make();
}

std::optional<Milliseconds> earliest(const std::vector<ChainLink>& chain) {
    Milliseconds latest{0};
    for (const ChainLink& link : chain) {
        // The earlier event leaves by itself; its own links say when.
        if (link.cause == Cause::behind || link.cause == Cause::stored) continue;
        if (!link.wait) return std::nullopt;
        latest = std::max(latest, *link.wait);
    }
    return latest;
}

std::string explain(const PastEvent& past) {
    const std::string when = format_time(past.ended);
    const std::string answer = past.status == 0 ? "" : fmt::format(" (HTTP {})", past.status);
    switch (past.outcome) {
        case Outcome::delivered:
            return fmt::format("was delivered at {}, with attempt {}{}", when, past.attempts,
                               answer);
        case Outcome::dead:
            return fmt::format("was refused at {}, attempt {}{}, and went to the dead letters",
                               when, past.attempts, answer);
        case Outcome::expired:
            return fmt::format(
                "grew too old at {}, after {} attempt{}, and went to the dead letters", when,
                past.attempts, past.attempts == 1 ? "" : "s");
        case Outcome::erased:
            return fmt::format("was erased with its token at {}", when);
        case Outcome::dropped:
            return fmt::format("was dropped by an operator at {}", when);
    }
    return "has left";
}

std::string explain(const FilteredEvent& event, std::string_view source) {
    return fmt::format(
        "was filtered at {}, and neither stored nor delivered: the filter of {} lets pass only "
        "events {}",
        format_time(event.at), source, describe(*event.filter, event.list));
}

}  // namespace flowrelay::core
