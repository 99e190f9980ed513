// Name resolution with a cache. getaddrinfo runs on a thread that can't be interrupted. Therefore
// one look-up serves all callers, known names are refreshed in the background, and each caller
// waits no longer than its own deadline. I/O thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/runtime/name_record.hpp"

namespace flowrelay::runtime {

/// Looks up the addresses of a host. Calls `done` once, later, on the I/O thread.
using LookUpDone = std::function<void(const error_code& error, Endpoints endpoints)>;
using LookUp = std::function<void(const std::string& host, std::uint16_t port, LookUpDone done)>;

/// Returns a LookUp that calls getaddrinfo (/etc/hosts, DNS, and whatever else the system uses),
/// only for address families of which this host has an address (AI_ADDRCONFIG). Both families come
/// in one answer, so the resolution delay of RFC 8305, section 3, does not apply.
LookUp system_look_up(const boost::asio::any_io_executor& io);

class Resolver {
public:
    explicit Resolver(boost::asio::any_io_executor io);
    Resolver(boost::asio::any_io_executor io, LookUp look_up, NameTimes times);

    /// Returns the addresses of a host in the order in which to try them; at least one. NameTimes
    /// determines how long an answer is fresh, and how long it stays in use when look-ups fail. A
    /// host that is an address is returned without a look-up.
    boost::asio::awaitable<Result<Endpoints>> resolve(std::string host, std::uint16_t port,
                                                      MonoTime deadline);

    /// Returns whether a connection to `endpoint` still leads to the host (NameRecord::has). Starts
    /// a look-up if the answer is no longer fresh, so that connections that are never closed notice
    /// a changed address too.
    bool leads_to(const std::string& host, std::uint16_t port,
                  const boost::asio::ip::tcp::endpoint& endpoint);

    /// Moves an address that failed or was slow after the others until the next answer.
    void pass_over(const std::string& host, std::uint16_t port,
                   const boost::asio::ip::tcp::endpoint& endpoint);

    /// Ends all waits; later calls do not wait either.
    void give_up();

    /// Returns whether a look-up is running. Waiting for it may delay the end of the process.
    bool busy() const noexcept { return running_ > 0; }

private:
    using Key = std::pair<std::string, std::uint16_t>;

    struct Name {
        explicit Name(NameTimes times) : record(times) {}
        NameRecord record;
        bool running = false;
        std::vector<boost::asio::steady_timer*> waiters;
    };

    Name& name_of(const Key& key);
    void refresh(const Key& key, Name& name);

    boost::asio::any_io_executor io_;
    LookUp look_up_;
    NameTimes times_;
    std::string address_;        ///< the last host that was recognized as an address
    std::map<Key, Name> names_;  ///< entries are never removed, so references stay valid
    int running_ = 0;
    bool given_up_ = false;
};

}  // namespace flowrelay::runtime
