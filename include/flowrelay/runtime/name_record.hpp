// Caches the addresses of one host and decides when to look them up again. Pure: the time is an
// argument. Not thread-safe.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

/// Returns the addresses in the order in which to try them (RFC 8305, section 4), without
/// duplicates. The families alternate, starting with that of the first address. The order within a
/// family is kept; it is that of RFC 6724 if it comes from getaddrinfo.
Endpoints interleave_families(const Endpoints& endpoints);

struct NameTimes {
    Milliseconds fresh = Seconds(60);  ///< how long an answer is used without a new look-up
    /// Wait after a failed look-up of a host whose addresses are known.
    Milliseconds retry = Seconds(5);
    /// How long the last answer stays in use while look-ups fail (RFC 8767, section 5: one to three
    /// days).
    Milliseconds stale = std::chrono::hours(24);
    /// How long a connection is kept after its address has left the answers. Some names have many
    /// addresses and answer with a different few each time. This applies only while each answer
    /// shares an address with the previous one; if it shares none, the name has moved.
    Milliseconds lingering = std::chrono::minutes(5);
};

class NameRecord {
public:
    explicit NameRecord(NameTimes times = {}) : times_(times) {}

    /// Returns whether to look the host up now: nothing is known, or the answer is no longer fresh
    /// and the last failure is at least NameTimes::retry ago.
    bool wants_look_up(MonoTime now) const;

    /// Records an answer. An empty one counts as a failure.
    void found(const Endpoints& endpoints, MonoTime now);
    void failed(const error_code& error, MonoTime now);

    /// Returns the addresses in the order in which to try them; empty if none is known or usable.
    Endpoints endpoints(MonoTime now) const;

    /// Returns whether the address was in the last answer, or in one within NameTimes::lingering.
    /// False also if nothing is known.
    bool has(const boost::asio::ip::tcp::endpoint& endpoint, MonoTime now) const;

    /// Moves an address to the end until the next answer: it was unreachable, or slower than
    /// another.
    void pass_over(const boost::asio::ip::tcp::endpoint& endpoint);

    /// Returns why the last look-up failed; no error after an answer.
    const error_code& error() const noexcept { return error_; }

private:
    bool has_now(const boost::asio::ip::tcp::endpoint& endpoint) const;

    NameTimes times_;
    Endpoints preferred_;
    Endpoints passed_over_;
    /// Times at which addresses of earlier answers were last seen.
    std::vector<std::pair<boost::asio::ip::tcp::endpoint, MonoTime>> seen_;
    MonoTime fresh_until_{};
    MonoTime usable_until_{};
    MonoTime retry_at_{};
    error_code error_;
};

}  // namespace flowrelay::runtime
