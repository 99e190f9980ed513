// Whether sources still live in their flows: the relay's side of SourceChecks.
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/core/relay.hpp"

namespace flowrelay::core {

namespace ev = log_events;

/// Watches the slot while it is a source that could be asked for.
void Relay::watch_source(TokenId id, const Token& token, Now now) {
    const bool lives = token.is_source() && !token.gone() && !token.missing();
    if (lives) {
        checks_.watch(id, now.mono);
    } else {
        checks_.forget(id);
    }
}

std::optional<Refusal> Relay::refuse_check(TokenId token) const {
    const Token& slot = tokens_.at(token);
    const auto conflict = [](std::string message) {
        return Refusal{Refusal::Code::conflict, std::move(message)};
    };
    if (slot.removed()) return conflict(fmt::format("{} was removed", slot.label()));
    if (slot.gone()) return conflict(fmt::format("{} is gone already (410)", slot.label()));
    if (slot.unknown) {
        return conflict(
            fmt::format("{} is not in the registry of tokens, so there is no token to "
                        "ask with",
                        slot.label()));
    }
    if (slot.missing()) {
        return conflict("there is no token to ask with: " + tokens_.way_back(slot));
    }
    return std::nullopt;
}

std::optional<SourceCheck> Relay::next_check(Now now) {
    if (deliveries_held_ || scheduler_.status().destination != DestinationState::up) {
        return std::nullopt;
    }
    while (const auto token = checks_.due(now.mono)) {
        const Token& slot = tokens_.at(*token);
        // What waits to be posted will tell. An operator's pause keeps the token out of use.
        if (slot.entry.state != TokenEntry::State::active || queued(*token) > 0 ||
            scheduler_.token_status(*token).state != TokenState::active) {
            checks_.postpone(*token, now.mono);
            continue;
        }
        return begin_check(*token, false);
    }
    return std::nullopt;
}

SourceCheck Relay::begin_check(TokenId token, bool asked) {
    checks_.begin(token);
    return {token, sent_with_now(token), asked};
}

bool Relay::may_be_sent(const SourceCheck& check) const {
    const auto slot = tokens_.all().find(check.token);
    return slot != tokens_.all().end() && !slot->second.gone() &&
           !slot->second.entry.secret.empty() && check.with == sent_with_now(check.token);
}

Relay::CheckEnd Relay::end_check(const SourceCheck& check, const AttemptResult& result,
                                 bool has_source, Now now) {
    CheckEnd end;
    end.life = life_of(result, has_source);
    // An answer about a token or a destination that is another one by now says nothing.
    const bool counts = may_be_sent(check);
    const bool is_news =
        checks_.end(counts ? end.life : SourceLife::unanswered, result.retry_after, now.mono);
    if (!counts) {
        end.life = SourceLife::unanswered;
        end.reason = "the token or the destination was changed meanwhile: ask again";
        return end;
    }
    end.status = result.status;
    end.reason = describe(result);
    const std::string label = tokens_.at(check.token).label();
    if (end.life == SourceLife::gone) {
        disable(check.token, end.effects, now);
        return end;
    }
    if (!is_news || check.asked) return end;
    const auto suppressed = check_lines_.admit(now.mono);
    if (!suppressed) return end;
    std::vector<LogField> fields{{"source", label}, {"result", to_string(end.life)}};
    if (result.status != 0) fields.emplace_back("status", result.status);
    fields.emplace_back("reason", end.reason);
    fields.emplace_back("suppressed", *suppressed);
    log_.write(ev::source_check_failed, fields);
    return end;
}

// Who waits for the destination is woken by what is delivered.
std::optional<MonoTime> Relay::next_check_wakeup() const {
    if (deliveries_held_ || scheduler_.status().destination != DestinationState::up) {
        return std::nullopt;
    }
    return checks_.next_wakeup();
}

}  // namespace flowrelay::core
