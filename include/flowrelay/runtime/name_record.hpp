// What is known of the addresses of one host, and when it is time to ask again. Pure: the time is
// an argument. Not safe for threads.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

/// The order in which addresses are tried (RFC 8305, section 4): the families alternate, beginning
/// with that of the first; within a family the order stays, which is that of RFC 6724 when it
/// comes from getaddrinfo. Repeated ones are left out.
Endpoints interleave_families(const Endpoints& endpoints);

struct NameTimes {
    Milliseconds fresh = Seconds(60);  ///< an answer is used so long without asking again
    Milliseconds retry = Seconds(5);   ///< the wait after a failed look-up of a host that is known
    /// While look-ups fail the last answer stays in use, so long at the most (RFC 8767, section 5:
    /// one to three days).
    Milliseconds stale = std::chrono::hours(24);
    /// Some names answer with a few of their many addresses, others each time: a connection to one
    /// that is not in the last answer is kept for so long, as long as each answer shares an address
    /// with the one before. Where it shares none the name has moved.
    Milliseconds lingering = std::chrono::minutes(5);
};

class NameRecord {
public:
    explicit NameRecord(NameTimes times = {}) : times_(times) {}

    /// Whether to ask now: nothing is known, or it is no longer fresh and the last failure was not
    /// just before.
    bool wants_look_up(MonoTime now) const;

    /// An answer came. An empty one is a failure.
    void found(const Endpoints& endpoints, MonoTime now);
    void failed(const error_code& error, MonoTime now);

    /// In the order in which they are to be tried; empty if nothing (usable) is known.
    Endpoints endpoints(MonoTime now) const;

    /// Whether the last answer had this one, or one a little while ago. False also when nothing is
    /// known.
    bool has(const boost::asio::ip::tcp::endpoint& endpoint, MonoTime now) const;

    /// It could not be reached, or another was faster: it comes last until the next answer.
    void pass_over(const boost::asio::ip::tcp::endpoint& endpoint);

    /// Why the last look-up failed; no error after an answer.
    const error_code& error() const noexcept { return error_; }

private:
    bool has_now(const boost::asio::ip::tcp::endpoint& endpoint) const;

    NameTimes times_;
    Endpoints preferred_;
    Endpoints passed_over_;
    std::vector<std::pair<boost::asio::ip::tcp::endpoint, MonoTime>> seen_;  ///< when last, before
    MonoTime fresh_until_{};
    MonoTime usable_until_{};
    MonoTime retry_at_{};
    error_code error_;
};

}  // namespace flowrelay::runtime
