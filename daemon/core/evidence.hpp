// Whose trouble a bad answer is: the thread's, its token's or the destination's.
//
// The table is in evidence.cpp: for each kind of evidence how many answers of how many threads it
// takes before it is more than the trouble of one thread. Trouble belongs to the narrowest scope
// that explains all that was seen since the last good answers. So it is the destination's only
// when it cannot be one token's: when no connection comes about, when two tokens see it, or when
// no other token is active to show the contrary. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/core/queued_event.hpp"
#include "flowrelay/core/scheduler.hpp"

namespace flowrelay::core::scheduling {

/// What a bad answer is evidence of, as far as it can be of more than one thread.
enum class Evidence : std::uint8_t {
    no_connection,  ///< no address, no connection, no TLS, no proxy
    no_answer,      ///< the request went out, and no answer came
    server_error,   ///< 5xx
    asked_to_wait,  ///< 503 with Retry-After
    wrong_url,      ///< 3xx, 404, 405
    none,           ///< nothing that goes beyond its event, or good
};
inline constexpr std::size_t kinds_of_evidence = static_cast<std::size_t>(Evidence::none);

Evidence evidence_of(const Judgement& judgement) noexcept;

/// The destination took the request and answered it as one that is well.
bool shows_health(Verdict verdict) noexcept;

/// A 503 without Retry-After so soon after a good answer comes from a limit that was passed, and is
/// evidence of nothing else.
inline constexpr Seconds limits_after_good{1};
bool is_limit(const Judgement& judgement, MonoTime good_at, MonoTime now) noexcept;

/// Whose time to wait it was that the server named, by what has become of it.
std::optional<Scope> who_was_asked(const Judgement& judgement,
                                   std::optional<MonoTime> destination_until,
                                   std::optional<MonoTime> token_until, MonoTime now) noexcept;

/// What it takes of one kind of evidence, without a good answer between, to be more than the
/// trouble of one thread.
struct Threshold {
    unsigned answers = 1;
    unsigned threads = 1;    ///< different ones
    bool two_tokens = true;  ///< false: it cannot be the trouble of one token
};
Threshold threshold_of(Evidence evidence, const SchedulerOptions& options) noexcept;

/// The bad answers of a token, or of all, since the last good one. Remembers no more threads and
/// tokens than it takes.
class Trouble {
public:
    /// Where this many tokens are in trouble, it is not the trouble of a few: further ones are not
    /// remembered.
    static constexpr std::size_t enough_tokens = 9;

    void note(Evidence evidence, LaneId lane, const SchedulerOptions& options);

    /// Forgets all: there was a good answer.
    void clear() noexcept;

    /// An answer of any kind: the row of failed connections ends.
    void answered() noexcept;

    /// Whether so much is there of this kind that it is more than the trouble of one thread.
    bool is_wide(Evidence evidence, const SchedulerOptions& options) const noexcept;

    /// Whether the token is one of those that are in trouble.
    bool has(TokenId token) const noexcept;
    std::size_t tokens() const noexcept { return tokens_.size(); }
    const std::vector<TokenId>& token_list() const noexcept { return tokens_; }

    /// The different threads of which there is evidence, one kind or the other; as many as it
    /// takes.
    std::vector<LaneId> threads() const;

private:
    struct Row {
        unsigned answers = 0;
        std::vector<LaneId> threads;
    };
    Row& row(Evidence evidence) noexcept { return rows_[static_cast<std::size_t>(evidence)]; }
    const Row& row(Evidence evidence) const noexcept {
        return rows_[static_cast<std::size_t>(evidence)];
    }

    std::array<Row, kinds_of_evidence> rows_;
    std::vector<TokenId> tokens_;
};

}  // namespace flowrelay::core::scheduling
