// Decides when to check whether a source still exists in its flow, and what the server's answer
// means. The request is `GET /sources?flow_token=...`, which posts nothing
// (https://www.flowdock.com/api/sources).
//
// The removal of a source that posts events is noticed by the answer to an event (410). An idle
// source is checked once per interval. The checks are spread, so that the sources of one relay are
// not all checked at once. One request is in flight at a time.
//
// Pure: time is an argument. Owned by one thread (the I/O thread). Each step costs O(log n).
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::core {

/// The server's answer about a source.
enum class SourceLife {
    found,       ///< a 2xx with a source
    gone,        ///< 410
    unknown,     ///< 404 or 405: unknown token, or no such resource
    refused,     ///< 401, 402 or 403: the token is wrong, or not permitted
    unanswered,  ///< no connection, no answer, 408, 429 or a 5xx
    strange,     ///< anything else, including a 2xx without a source
};

/// Returns the word for logs and answers: "found", ...
std::string_view to_string(SourceLife life) noexcept;

/// Classifies an answer. `is_source`: whether its body is a source; see is_source().
SourceLife life_of(const AttemptResult& result, bool is_source) noexcept;

/// Returns whether a body is a source of the API: a JSON object with an `id`.
bool is_source(std::string_view body);

class SourceChecks {
public:
    explicit SourceChecks(Random random) : random_(random) {}

    /// Sets how long a source may be idle before it is checked; 0 disables checks.
    void set_interval(Milliseconds interval, MonoTime now);

    /// Start and stop watching a source. Watching a source that is already watched has no effect.
    void watch(TokenId token, MonoTime now);
    void forget(TokenId token);

    /// Records an answer of the server to the source, which is therefore not idle.
    void heard(TokenId token, MonoTime now) {
        if (interval_ == Milliseconds(0)) return;
        const auto found = sources_.find(token);
        if (found != sources_.end()) found->second.heard = now;
    }

    /// Returns a source that has been idle for long enough; nothing while a request is in flight.
    /// begin() or postpone() must follow.
    std::optional<TokenId> due(MonoTime now);
    /// Starts a check, also of a source that is not watched. end() or release() must follow.
    void begin(TokenId token);
    /// Postpones a check that is not possible now, or not needed.
    void postpone(TokenId token, MonoTime now);

    /// Records the answer. Returns whether it is bad and differs from the last one.
    bool end(SourceLife life, std::optional<Milliseconds> retry_after, MonoTime now);
    /// Records that the request was not sent.
    void release(MonoTime now);

    bool busy() const noexcept { return in_flight_ != TokenId::none; }

    /// Returns when to call due() again; nothing while a request is in flight or no source is
    /// watched.
    std::optional<MonoTime> next_wakeup() const;

    std::size_t watched() const noexcept { return sources_.size(); }

private:
    struct Source {
        MonoTime due{};
        MonoTime heard = MonoTime::min();
        std::optional<SourceLife> last;
    };

    Milliseconds spread();
    void schedule(TokenId token, Source& source, MonoTime due);

    Random random_;
    Milliseconds interval_{0};
    std::unordered_map<TokenId, Source> sources_;
    std::set<std::pair<MonoTime, TokenId>> due_;  ///< empty while the interval is 0
    TokenId in_flight_ = TokenId::none;
};

}  // namespace flowrelay::core
