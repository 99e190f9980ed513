// Name resolution with a memory: getaddrinfo runs on a thread that can't be interrupted, so it is
// asked rarely, by one caller for all, and nobody waits for it longer than their own deadline.
// I/O thread only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

class Resolver {
public:
    using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

    explicit Resolver(boost::asio::any_io_executor io);

    /// The addresses of a host; at least one. Known ones are good for a minute, and when a later
    /// look-up fails they stay in use. An address as a host is not looked up.
    boost::asio::awaitable<Result<Endpoints>> resolve(std::string host, std::uint16_t port,
                                                      MonoTime deadline);

    /// Ends all waiting, now and from now on.
    void give_up();

    /// A look-up is running: the process can't end quickly by waiting for it.
    bool busy() const noexcept { return running_ > 0; }

private:
    struct Name {
        Endpoints endpoints;
        MonoTime good_until{};
        bool running = false;
        error_code error;
        std::vector<boost::asio::steady_timer*> waiters;
    };

    void look_up(const std::string& key, const std::string& host, std::uint16_t port);

    boost::asio::any_io_executor io_;
    boost::asio::ip::tcp::resolver resolver_;
    std::map<std::string, Name> names_;
    int running_ = 0;
    bool given_up_ = false;
};

}  // namespace flowrelay::runtime
