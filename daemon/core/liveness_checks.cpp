#include "flowrelay/core/liveness_checks.hpp"

#include <fmt/format.h>

#include <cassert>
#include <utility>
#include <vector>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::core {

namespace ev = log_events;

LivenessChecks::LivenessChecks(const RelayOptions& options, const TokenTable& tokens,
                               const Destination& destination, Random random, Log& log)
    : options_(options),
      tokens_(tokens),
      destination_(destination),
      log_(log),
      checks_(random),
      check_lines_(10, Seconds(60)) {}

void LivenessChecks::configure(Now now) {
    checks_.set_interval(options_.check_idle_sources, now.mono);
    for (const auto& [id, token] : tokens_.all()) watch(id, now);
}

void LivenessChecks::watch(TokenId id, Now now) {
    const Token& token = tokens_.at(id);
    const bool lives = token.is_source() && !token.gone() && !token.missing();
    if (lives) {
        checks_.watch(id, now.mono);
    } else {
        checks_.forget(id);
    }
}

std::optional<Refusal> LivenessChecks::refuse_check(TokenId token) const {
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

std::optional<SourceCheck> LivenessChecks::next_check(Now now) {
    if (destination_.deliveries_held() ||
        destination_.scheduler().status().destination != DestinationState::up) {
        return std::nullopt;
    }
    while (const auto token = checks_.due(now.mono)) {
        const Token& slot = tokens_.at(*token);
        // Queued events will show whether the source exists. A paused token must not be used.
        if (slot.entry.state != TokenEntry::State::active ||
            destination_.active().queued(*token) > 0 ||
            destination_.scheduler().token_status(*token).state != TokenState::active) {
            checks_.postpone(*token, now.mono);
            continue;
        }
        return begin_check(*token, false);
    }
    return std::nullopt;
}

SourceCheck LivenessChecks::begin_check(TokenId token, bool asked) {
    checks_.begin(token);
    return {token, destination_.sent_with_now(token), asked};
}

bool LivenessChecks::may_be_sent(const SourceCheck& check) const {
    const auto slot = tokens_.all().find(check.token);
    return slot != tokens_.all().end() && !slot->second.gone() &&
           !slot->second.entry.secret.empty() &&
           check.with == destination_.sent_with_now(check.token);
}

CheckAnswer LivenessChecks::end_check(const SourceCheck& check, const AttemptResult& result,
                                      bool has_source, Now now) {
    assert(is_checking());
    CheckAnswer end;
    end.life = life_of(result, has_source);
    // Ignore an answer for a former token or destination.
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
    if (end.life == SourceLife::gone || !is_news || check.asked) return end;
    const auto suppressed = check_lines_.admit(now.mono);
    if (!suppressed) return end;
    const std::string label = tokens_.at(check.token).label();
    std::vector<LogField> fields{{"source", label}, {"result", to_string(end.life)}};
    if (result.status != 0) fields.emplace_back("status", result.status);
    fields.emplace_back("reason", end.reason);
    fields.emplace_back("suppressed", *suppressed);
    log_.write(ev::source_check_failed, fields);
    return end;
}

// Returns nothing while the destination is failing: deliveries wake the caller when it recovers.
std::optional<MonoTime> LivenessChecks::next_wakeup() const {
    if (destination_.deliveries_held() ||
        destination_.scheduler().status().destination != DestinationState::up) {
        return std::nullopt;
    }
    return checks_.next_wakeup();
}

}  // namespace flowrelay::core
