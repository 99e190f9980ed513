// Simulates the destination at its worst, from a seed: slow, failing, throttling, sending
// incomplete answers, requesting waits, misconfigured, or limited; with tokens that are refused,
// limited or removed.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "flowrelay/base/ids.hpp"
#include "flowrelay/base/random.hpp"
#include "flowrelay/core/verdict.hpp"

namespace flowrelay::test {

/// A request as received.
struct PostedEvent {
    Seq seq = Seq::none;  ///< from its key
    std::uint64_t number = 0;
    std::size_t token = 0;
    std::string id;
    std::string thread;
};

/// Parses a request of the relay; throws std::logic_error if it is not one of the simulation.
PostedEvent read_post(std::string_view body);

/// Status with which a wrong server answers all requests.
inline constexpr int refuse_all_status = 400;

class Server {
public:
    explicit Server(std::uint64_t seed) : random_(seed) {}

    struct Reply {
        core::AttemptResult result;
        Milliseconds takes{0};
        bool processed = false;  ///< the server has processed the event, whatever it answers
    };
    Reply post(const PostedEvent& event, MonoTime now);

    /// Returns the answer to a request whose token or destination has changed meanwhile.
    Reply say_to_former(Reply reply);
    /// Returns the time until the request can be written.
    Milliseconds connecting() {
        return Milliseconds(random_.chance(0.1) ? random_.below(1ULL << random_.below(14)) : 0);
    }

    /// Answers PUT /sources, which sets what the token's source shows in its flow.
    Reply show(std::size_t token, const std::string& message);
    const std::string& shown(std::size_t token) { return shown_[token]; }

    /// Answers GET /sources. `processed` of a 200 tells whether the token's source exists.
    Reply find(std::size_t token);

    /// Switches to another failure mode, perhaps of this token, or to none.
    void change_weather(std::size_t token);

    /// Gives inconsistent answers for a while, to all requests or to those of one token.
    void contradict_itself(std::size_t token);

    /// Removes a token, unless restore_token() restores it later.
    void remove_token(std::size_t token) { gone_.insert(token); }
    void restore_token(std::size_t token) { gone_.erase(token); }
    bool is_gone(std::size_t token) const { return gone_.contains(token); }

    /// Sets whether invalid events are accepted.
    void set_lenient(bool lenient) { lenient_ = lenient; }

    /// Ends all failures: only invalid events and removed tokens are refused from now on.
    void heal();

private:
    enum class Weather {
        calm,
        flaky,
        slow,
        failing,
        down,
        hanging,
        busy,
        wrong_url,
        mixed,
        refusing,
        limiting
    };
    static constexpr std::uint64_t weathers = 11;
    enum class TokenWeather { calm, throttled, refused, mixed, failing, hanging, asking };

    /// A limit on requests per second with a burst, or on concurrent requests, for all tokens
    /// together.
    struct Limit {
        int refusal = 503;
        double rate = 0;  ///< 0: `places` counts
        double burst = 0;
        std::size_t places = 0;
        double excess = 0;
        MonoTime last = MonoTime::min();
        std::multiset<MonoTime> ends;
    };
    Limit any_limit();
    bool passes_limit(MonoTime now);
    Reply limited(const PostedEvent& event, MonoTime now);
    Reply take(const PostedEvent& event);
    Reply busy_with(const PostedEvent& event);
    Reply answer(int status, std::string detail = {});
    Reply end(core::AttemptEnd how, Milliseconds takes, bool processed);
    Reply any_trouble();
    Reply anything();
    Reply anything_of_token();
    Reply later(Reply reply);
    Reply wait_please(int status);
    Milliseconds latency();

    Random random_;
    Weather weather_ = Weather::calm;
    Limit limit_;
    std::map<std::size_t, TokenWeather> tokens_;
    std::set<std::string> failing_threads_;
    std::set<std::size_t> gone_;
    std::set<Seq> keys_;  ///< keys of earlier requests
    std::map<std::size_t, std::string> shown_;
    bool healed_ = false;
    bool lenient_ = false;
};

/// Returns whether the event is invalid and always refused.
bool is_unacceptable(std::uint64_t number);

}  // namespace flowrelay::test
