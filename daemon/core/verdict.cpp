#include "flowrelay/core/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "flowrelay/core/status_table.hpp"

namespace flowrelay::core {

std::string_view to_string(AttemptEnd end) noexcept {
    switch (end) {
        case AttemptEnd::response:
            return "response";
        case AttemptEnd::resolve_failed:
            return "resolve_failed";
        case AttemptEnd::connect_failed:
            return "connect_failed";
        case AttemptEnd::proxy_failed:
            return "proxy_failed";
        case AttemptEnd::tls_failed:
            return "tls_failed";
        case AttemptEnd::write_failed:
            return "write_failed";
        case AttemptEnd::timed_out:
            return "timed_out";
        case AttemptEnd::broken_response:
            return "broken_response";
        case AttemptEnd::withdrawn:
            return "withdrawn";
    }
    return "unknown";
}

std::string describe(const AttemptResult& result) {
    const std::string end = result.end == AttemptEnd::response
                                ? fmt::format("HTTP {}", result.status)
                                : std::string(to_string(result.end));
    return result.detail.empty() ? end : fmt::format("{}: {}", end, result.detail);
}

std::string_view to_string(Verdict verdict) noexcept {
    switch (verdict) {
        case Verdict::delivered:
            return "delivered";
        case Verdict::gone:
            return "gone";
        case Verdict::throttled:
            return "throttled";
        case Verdict::retry:
            return "retry";
        case Verdict::park_token:
            return "park_token";
        case Verdict::park_destination:
            return "park_destination";
        case Verdict::rejected:
            return "rejected";
    }
    return "unknown";
}

namespace {

Judgement judge_status(const AttemptResult& attempt, Milliseconds retry_after_cap,
                       bool key_was_sent) noexcept {
    Judgement judgement;
    judgement.verdict = verdict_of_status(attempt.status);
    judgement.ambiguous = attempt.sent_before;
    judgement.elapsed = attempt.elapsed;
    const bool is_client_error = attempt.status >= 400 && attempt.status <= 499;
    judgement.server_error = judgement.verdict == Verdict::retry && !is_client_error;
    judgement.too_fast = attempt.status == 429 || attempt.status == 503;
    // To a request whose key it has seen: the first one is still being worked on (section 2.6 of
    // draft-ietf-httpapi-idempotency-key-header).
    const bool in_progress = attempt.status == 409 && (key_was_sent || attempt.sent_before);
    // With a time it is only too large for now (RFC 9110, section 15.5.14).
    const bool too_large_now = attempt.status == 413 && attempt.retry_after;
    if (in_progress || too_large_now) judgement.verdict = Verdict::retry;
    if (attempt.unexpected) judgement.verdict = Verdict::park_destination;
    if (attempt.retry_after) {
        const auto wait = std::clamp(*attempt.retry_after, Milliseconds(0), retry_after_cap);
        if (judgement.too_fast) judgement.hold = wait;
        if (in_progress || too_large_now) judgement.event_hold = wait;
    }
    return judgement;
}

}  // namespace

Judgement judge(const AttemptResult& attempt, Milliseconds retry_after_cap,
                bool key_was_sent) noexcept {
    if (attempt.end == AttemptEnd::response) {
        return judge_status(attempt, retry_after_cap, key_was_sent);
    }
    Judgement judgement;
    if (attempt.proxy_refused) {
        judgement.verdict = Verdict::park_destination;
        judgement.ambiguous = attempt.sent_before;
        return judgement;
    }
    judgement.verdict = Verdict::retry;
    judgement.connection_failure = true;
    judgement.after_sending = attempt.end == AttemptEnd::write_failed ||
                              attempt.end == AttemptEnd::timed_out ||
                              attempt.end == AttemptEnd::broken_response;
    judgement.ambiguous = attempt.sent_before || attempt.end == AttemptEnd::timed_out ||
                          attempt.end == AttemptEnd::broken_response;
    return judgement;
}

}  // namespace flowrelay::core
