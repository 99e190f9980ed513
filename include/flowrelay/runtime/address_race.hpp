// One TCP connection to a host that has several addresses: "Happy Eyeballs" (RFC 8305, section 5).
// Tries the addresses in the given order. Starts the next attempt when the previous one has failed,
// or has been unanswered for 250 ms; the previous attempt goes on meanwhile. The first connection
// wins and the others are closed, so an address family or server that drops packets costs 250 ms
// instead of a timeout. I/O thread only.
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
        /// Addresses tried before the winner: each failed, or was slower by at least the stagger.
        Endpoints passed_over;
    };

    /// Connects to the first endpoint that answers. Only one run() at a time. No attempt is left
    /// open when it returns. Error: no attempt succeeded before the deadline; the message has the
    /// reason for each address, "192.0.2.1: Connection refused".
    boost::asio::awaitable<Result<Winner>> run(Endpoints endpoints, MonoTime deadline);

    /// Makes run() return soon, with operation_aborted.
    void cancel();

private:
    struct Attempt {
        Attempt(const boost::asio::any_io_executor& io,
                const boost::asio::ip::tcp::endpoint& address)
            : socket(io), endpoint(address) {}
        boost::asio::ip::tcp::socket socket;
        boost::asio::ip::tcp::endpoint endpoint;
        std::optional<error_code> outcome;  ///< none while the attempt is in progress
    };

    void begin(const boost::asio::ip::tcp::endpoint& endpoint);
    Attempt* winner();
    error_code reason() const;
    std::string explanation() const;

    boost::asio::any_io_executor io_;
    Milliseconds stagger_;
    std::deque<Attempt> attempts_;  ///< a deque, because its elements do not move
    std::size_t pending_ = 0;
    MonoTime next_begins_{};
    bool cancelled_ = false;
    boost::asio::steady_timer wake_;
};

}  // namespace flowrelay::runtime
