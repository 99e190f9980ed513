// The destination, as it is when it is at its worst: slow, failing, throttling, answering half,
// asking to wait, misconfigured, or with a limit; with tokens that are refused, limited or removed.
// From a seed.
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

/// A request as it came over the wire.
struct PostedEvent {
    Seq seq = Seq::none;  ///< as its key
    std::uint64_t number = 0;
    std::size_t token = 0;
    std::string id;
    std::string thread;
};

/// Reads what a relay posts; throws std::logic_error if it is not what simulations send.
PostedEvent read_post(std::string_view body);

/// What a server says to all that is not the one that was meant.
inline constexpr int refuse_all_status = 400;

class Server {
public:
    explicit Server(std::uint64_t seed) : random_(seed) {}

    struct Reply {
        core::AttemptResult result;
        Milliseconds takes{0};
        bool processed = false;  ///< the event is on the server now, whatever the relay is told
    };
    Reply post(const PostedEvent& event, MonoTime now);

    /// What it says to a request after its token or the destination was changed.
    Reply say_to_former(Reply reply);
    /// How long it takes until the request can be written.
    Milliseconds connecting() {
        return Milliseconds(random_.chance(0.1) ? random_.below(1ULL << random_.below(14)) : 0);
    }

    /// PUT /sources: what the source of the token shows in its flow.
    Reply show(std::size_t token, const std::string& message);
    const std::string& shown(std::size_t token) { return shown_[token]; }

    /// GET /sources: whether the source of the token lives, which `processed` says of a 200.
    Reply find(std::size_t token);

    /// Some other trouble, perhaps of this token, or none.
    void change_weather(std::size_t token);

    /// What it says to all, or of one token, does not fit together, for a while.
    void contradict_itself(std::size_t token);

    /// Removes a token for good, or with luck one day not.
    void remove_token(std::size_t token) { gone_.insert(token); }
    void restore_token(std::size_t token) { gone_.erase(token); }
    bool is_gone(std::size_t token) const { return gone_.contains(token); }

    /// Takes what it refused before for what it is, or no more.
    void set_lenient(bool lenient) { lenient_ = lenient; }

    /// Well from now on: only what is wrong with an event is refused, and what is gone is gone.
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

    /// So many a second and some at once, or so many at a time, whoever they are of.
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
    std::set<Seq> keys_;  ///< that it has seen
    std::map<std::size_t, std::string> shown_;
    bool healed_ = false;
    bool lenient_ = false;
};

/// What is refused for what it is, always.
bool is_unacceptable(std::uint64_t number);

}  // namespace flowrelay::test
