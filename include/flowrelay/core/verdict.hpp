// What an attempt to post an event means: the table of outcomes in docs/protocol.md, as a function.
// Pure; any thread.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/time.hpp"

namespace flowrelay::core {

/// How an attempt ended, as the HTTP client saw it.
enum class AttemptEnd {
    response,         ///< a complete response: `status` is set
    resolve_failed,   ///< the name has no address
    connect_failed,   ///< refused, unreachable, or the connect timeout
    proxy_failed,     ///< the proxy would not connect us, or answered 407 in the server's place
    tls_failed,       ///< handshake or verification
    write_failed,     ///< the connection broke before the whole request was written
    timed_out,        ///< the whole request was written and request_timeout passed
    broken_response,  ///< the whole request was written; end of stream, garbage, or over a limit
    withdrawn,        ///< the request was not written (once more): it does not hold any longer
};

std::string_view to_string(AttemptEnd end) noexcept;

struct AttemptResult {
    AttemptEnd end = AttemptEnd::response;
    int status = 0;                           ///< of `response`; 0 otherwise
    std::optional<Milliseconds> retry_after;  ///< parsed by parse_retry_after, not yet capped
    std::string detail;  ///< for people: the error, or the server's `message`; never a token
    std::string
        server_errors;  ///< the server's `errors` member as JSON, cut to 4 KiB; may be empty
    /// The request had been sent as a whole before, on a kept connection that ended without a byte
    /// of an answer: the server may have taken it then.
    bool sent_before = false;
    /// Of `response`: what is not as HTTP has it: "lines end with LF alone". It cost the connection
    /// and changes nothing else. Empty: nothing.
    std::string_view quirk{};
    /// Of `response`: a 2xx that is not what destination.expect asks for. `detail` says what it is.
    bool unexpected = false;
    /// Of `proxy_failed`: the proxy does not want to (403, 407), and will not until it is told to.
    bool proxy_refused = false;
    /// Of `response`: from the first byte of the request, so without any connecting, to the end of
    /// the response. Zero when it was not measured.
    MonoTime::duration elapsed = MonoTime::duration::zero();
};

/// What to tell an operator of it: "HTTP 503: try later".
std::string describe(const AttemptResult& result);

enum class Verdict {
    delivered,         ///< 2xx
    gone,              ///< 410: the token is disabled
    throttled,         ///< 429: the token waits, no attempt is counted
    retry,             ///< the lane waits
    park_token,        ///< 401, 402, 403: kept, probed
    park_destination,  ///< 3xx, 404, 405, 421, ...: the set-up is wrong; kept, probed
    rejected,          ///< the event is refused for what it is: dead letter
};

std::string_view to_string(Verdict verdict) noexcept;

struct Judgement {
    Verdict verdict = Verdict::retry;
    /// The request was written and no answer came: it may have been taken. Sent again with its id.
    /// Also when that was done at once and the second one was answered.
    bool ambiguous = false;
    /// Counts against the breaker of the destination: no connection, no answer.
    bool connection_failure = false;
    /// Of `connection_failure`: there was a connection, and the request went out on it. It may be
    /// the one event that the server can't cope with: counts only when several lanes see it.
    bool after_sending = false;
    /// A 5xx: counts against the breaker only when several lanes see it.
    bool server_error = false;
    /// A 429 or a 503: the server may have refused it for going too fast.
    bool too_fast = false;
    /// Of `rejected`: the event stays, and its lane waits for an operator.
    bool hold_lane = false;
    /// How long the server asked to wait, capped: the token (429) or the destination (503).
    std::optional<Milliseconds> hold;
    /// How long the exchange took; zero when that is not known.
    MonoTime::duration elapsed = MonoTime::duration::zero();
    /// As `hold`, with this event alone (409, 413): it says nothing of others, only its lane waits.
    std::optional<Milliseconds> event_hold{};
    /// Of `park_destination`: others than its token get nothing else either.
    bool of_everybody = false;

    /// The event is not sent again before, whoever else waits.
    Milliseconds least_wait() const noexcept {
        const auto longest =
            std::max(hold.value_or(Milliseconds(0)), event_hold.value_or(Milliseconds(0)));
        return verdict == Verdict::retry ? longest : Milliseconds(0);
    }
};

/// `retry_after_cap`: the longest wait that a server can ask for. `key_was_sent`: an earlier
/// request may have brought the event's Idempotency-Key, so that a 409 says that it is still being
/// worked on.
Judgement judge(const AttemptResult& attempt, Milliseconds retry_after_cap,
                bool key_was_sent = false) noexcept;

/// A Retry-After value (RFC 9110, section 10.2.3): seconds, or an HTTP date in any of its three
/// forms (section 5.6.7) seen from `now`; the name of the weekday is not checked against the date.
/// Of seconds with a fraction the next whole number counts, of a list of either the longest wait;
/// empty elements do not count.
/// A date that has passed is 0, a wait of more than a hundred years is that. Nothing for anything
/// else.
std::optional<Milliseconds> parse_retry_after(std::string_view value, WallTime now) noexcept;

}  // namespace flowrelay::core
