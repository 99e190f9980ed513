// Tells a set-up that is wrong from events that are: a server that refuses everything for good (an
// http:// URL of a TLS port, the wrong virtual host, an API that has changed) must not turn the
// whole queue into dead letters.
//
// A row is what one token was answered since its last delivered event, the start or a reload: the
// same final refusal for event after event. When it has reached enough threads the token is to
// blame, and when that is so for two tokens with nothing delivered between, the destination is.
// Another refusal begins a new row; answers that refuse nothing for good leave it as it is.
//
// Pure; owned by one thread (the I/O thread).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "flowrelay/base/ids.hpp"

namespace flowrelay::core {

class Refusals {
public:
    /// Threads of a token that are refused alike before it is the token's trouble.
    static constexpr std::size_t enough_threads = 5;
    /// Tokens of which that is so before it is the destination's.
    static constexpr std::size_t enough_tokens = 2;

    enum class Scope { event, token, destination };
    struct Found {
        Scope scope = Scope::event;
        std::vector<Seq> go_back;  ///< events refused before in this row: they have to be kept
    };

    /// An event was refused for good.
    Found refused(const LaneId& lane, Seq seq, int status);
    void delivered(TokenId token);
    /// What was said of the token holds no longer.
    void forget(TokenId token) { rows_.erase(token); }
    void forget_all() { rows_.clear(); }

private:
    struct Row {
        int status = 0;
        std::uint64_t began = 0;  ///< deliveries of all tokens until then
        std::set<std::uint64_t> threads;
        std::vector<Seq> events;
        bool is_full() const noexcept { return threads.size() >= enough_threads; }
    };

    std::map<TokenId, Row> rows_;
    std::uint64_t deliveries_ = 0;
};

}  // namespace flowrelay::core
