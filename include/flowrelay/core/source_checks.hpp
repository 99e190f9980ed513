// Whether a source still lives in its flow: when to ask the server for one, and what its answer
// means. Asking is `GET /sources?flow_token=...`, which posts nothing
// (https://www.flowdock.com/api/sources).
//
// A source that has events to post learns of its removal by them (410). One that is idle is asked
// for once in an interval, spread so that the sources of one relay are not all asked for at once.
// One request is under way at a time.
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

/// What the server has said of a source.
enum class SourceLife {
    found,       ///< a 2xx with a source
    gone,        ///< 410
    unknown,     ///< 404 or 405: it does not know the token, or can't be asked for sources
    refused,     ///< 401, 402 or 403: the token is wrong, or may not ask
    unanswered,  ///< no connection, no answer, 408, 429 or a 5xx
    strange,     ///< anything else, a 2xx without a source among it
};

/// "found", ...: for logs and answers.
std::string_view to_string(SourceLife life) noexcept;

/// `is_source`: whether the body of the answer is one; see is_source().
SourceLife life_of(const AttemptResult& result, bool is_source) noexcept;

/// Whether a body is a source as the API shows it: a JSON object with an `id`.
bool is_source(std::string_view body);

class SourceChecks {
public:
    explicit SourceChecks(Random random) : random_(random) {}

    /// How long a source may be idle before it is asked for; 0: none is asked for.
    void set_interval(Milliseconds interval, MonoTime now);

    /// A source is to be watched, or not any more. One that is watched already stays as it is.
    void watch(TokenId token, MonoTime now);
    void forget(TokenId token);

    /// The server has answered for it: it is not idle.
    void heard(TokenId token, MonoTime now) {
        if (interval_ == Milliseconds(0)) return;
        const auto found = sources_.find(token);
        if (found != sources_.end()) found->second.heard = now;
    }

    /// A source that has been idle for long enough; nothing while a request is under way.
    /// begin() or postpone() has to follow.
    std::optional<TokenId> due(MonoTime now);
    /// It is asked for now; end() or release() has to follow. Also for one that is not watched.
    void begin(TokenId token);
    /// It can't be asked for just now, or need not be.
    void postpone(TokenId token, MonoTime now);

    /// The answer. Returns whether it is another one than the last time, and none that is well.
    bool end(SourceLife life, std::optional<Milliseconds> retry_after, MonoTime now);
    /// It was not asked for.
    void release(MonoTime now);

    bool busy() const noexcept { return in_flight_ != TokenId::none; }

    /// When to look again; nothing while a request is under way or none is watched.
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
