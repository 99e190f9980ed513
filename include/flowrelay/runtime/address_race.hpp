// One TCP connection to a host that has several addresses: "Happy Eyeballs" (RFC 8305, section 5).
// The addresses are tried in their order; the next one begins when the one before has failed, or
// has not answered for a quarter of a second, while that goes on. The first connection wins and
// the others are closed. So one address family or one server that swallows packets costs 250 ms
// and not a timeout. I/O thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <optional>
#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/runtime/name_record.hpp"

namespace flowrelay::runtime {

class AddressRace {
public:
    /// `stagger`: the Connection Attempt Delay of RFC 8305, section 8.
    explicit AddressRace(boost::asio::any_io_executor io, Milliseconds stagger = Milliseconds(250));

    struct Winner {
        boost::asio::ip::tcp::socket socket;
        boost::asio::ip::tcp::endpoint endpoint;
        /// Those that were tried before it: they failed or were slower by the stagger at least.
        Endpoints passed_over;
    };

    /// Runs a race; one at a time. When it ends no attempt is left open. Error: nobody won before
    /// the deadline; the message has the reason for each address, "192.0.2.1: Connection refused".
    boost::asio::awaitable<Result<Winner>> run(Endpoints endpoints, MonoTime deadline);

    /// run() ends soon, with operation_aborted.
    void cancel();

private:
    struct Attempt {
        Attempt(const boost::asio::any_io_executor& io,
                const boost::asio::ip::tcp::endpoint& address)
            : socket(io), endpoint(address) {}
        boost::asio::ip::tcp::socket socket;
        boost::asio::ip::tcp::endpoint endpoint;
        std::optional<error_code> outcome;  ///< none while it runs
    };

    void begin(const boost::asio::ip::tcp::endpoint& endpoint);
    Attempt* winner();
    error_code reason() const;
    std::string explanation() const;

    boost::asio::any_io_executor io_;
    Milliseconds stagger_;
    std::deque<Attempt> attempts_;  ///< a deque: its elements stay where they are
    std::size_t pending_ = 0;
    MonoTime next_begins_{};
    bool cancelled_ = false;
    boost::asio::steady_timer wake_;
};

}  // namespace flowrelay::runtime
