// Tells a set-up that is wrong from events that are: a server that refuses everything for good (an
// http:// URL of a TLS port, the wrong virtual host, an API that has changed) must not turn the
// whole queue into dead letters.
//
// A row is what one token was answered since its last delivered event, the start or a reload: final
// refusals, whatever their statuses (a server that parses half of a request may say 400 to one and
// 413 to the next). Answers that refuse nothing for good leave it as it is. The token is to blame
//  - when threads enough were refused: as many producers do not go wrong at once; or
//  - when there are fewer, every thread that has events was refused, and events enough were: many,
//    since one producer that goes wrong repeats its mistake, and its events are letters.
// What was refused of all tokens since anybody's last delivered event counts together: threads
// enough of two tokens, or two tokens that are to blame, show that it is the destination.
//
// The numbers can be generous: what was refused on the way goes back. What they cost is the letters
// of a set-up that has fewer events than that.
//
// Pure; owned by one thread (the I/O thread).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "flowrelay/base/ids.hpp"

namespace flowrelay::core {

class Refusals {
public:
    static constexpr std::size_t enough_threads = 5;
    static constexpr std::size_t enough_events = 50;
    static constexpr std::size_t enough_tokens = 2;

    enum class Scope { event, token, destination };
    struct Found {
        Scope scope = Scope::event;
        std::vector<Seq> go_back;  ///< events refused before, of this: they have to be kept
    };
    /// The threads of a token that have events, the first `enough_threads` of them at least;
    /// nothing when not all are known.
    using Threads = std::optional<std::vector<std::uint64_t>>;

    /// An event was refused for good. `threads`: its own included.
    Found refused(const LaneId& lane, Seq seq, const Threads& threads);
    void delivered(TokenId token);
    /// What was said of the token holds no longer.
    void forget(TokenId token);
    void forget_all();

private:
    struct Seen {
        std::set<std::uint64_t> threads;  ///< no more than are enough
        std::size_t events = 0;
        bool is_wide = false;

        void note(std::uint64_t thread, bool is_new);
        bool is_all(const Threads& of_token) const;
    };
    struct Row : Seen {
        std::map<Seq, std::uint64_t> letters;  ///< and deliveries of all tokens until then
    };
    struct Lately {
        std::map<TokenId, Seen> tokens;
        std::size_t threads = 0;
        std::size_t wide = 0;
    };

    void note_lately(const LaneId& lane, bool is_new, const Threads& threads);
    bool is_everybodys() const noexcept;

    std::map<TokenId, Row> rows_;
    Lately lately_;  ///< since anything was delivered
    std::uint64_t deliveries_ = 0;
};

}  // namespace flowrelay::core
