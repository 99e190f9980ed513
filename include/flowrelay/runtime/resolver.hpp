// Name resolution with a memory: getaddrinfo runs on a thread that can't be interrupted, so it is
// asked rarely, by one caller for all, in the background once an answer is there; and nobody waits
// for it longer than their own deadline. I/O thread only.
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

/// Asks for the addresses of a host and calls back, once, later and on the I/O thread.
using LookUpDone = std::function<void(const error_code& error, Endpoints endpoints)>;
using LookUp = std::function<void(const std::string& host, std::uint16_t port, LookUpDone done)>;

/// getaddrinfo: /etc/hosts, DNS, and what else the system is set up for; only families that this
/// host has an address of (AI_ADDRCONFIG). Both families come in one answer, so the resolution
/// delay of RFC 8305, section 3, has no place here.
LookUp system_look_up(const boost::asio::any_io_executor& io);

class Resolver {
public:
    explicit Resolver(boost::asio::any_io_executor io);
    Resolver(boost::asio::any_io_executor io, LookUp look_up, NameTimes times);

    /// The addresses of a host in the order in which to try them; at least one. NameTimes says how
    /// long an answer is good, and how long it stays in use when the resolver fails. An address as
    /// a host is not looked up.
    boost::asio::awaitable<Result<Endpoints>> resolve(std::string host, std::uint16_t port,
                                                      MonoTime deadline);

    /// Whether a connection to `endpoint` still leads to the host (NameRecord::has). Begins to ask
    /// again when the answer is no longer fresh: so a changed address is noticed by those who never
    /// reconnect.
    bool leads_to(const std::string& host, std::uint16_t port,
                  const boost::asio::ip::tcp::endpoint& endpoint);

    /// The address failed, or was slow: the others come first until the next answer.
    void pass_over(const std::string& host, std::uint16_t port,
                   const boost::asio::ip::tcp::endpoint& endpoint);

    /// Ends all waiting, now and from now on.
    void give_up();

    /// A look-up is running: the process can't end quickly by waiting for it.
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
    std::string address_;        ///< a host that is known to be an address
    std::map<Key, Name> names_;  ///< none is ever removed: references stay good
    int running_ = 0;
    bool given_up_ = false;
};

}  // namespace flowrelay::runtime
