#include "flowrelay/runtime/resolver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <utility>

namespace flowrelay::runtime {
namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto good_for = std::chrono::seconds(60);

Resolver::Resolver(asio::any_io_executor io) : io_(io), resolver_(io) {}

void Resolver::look_up(const std::string& key, const std::string& host, std::uint16_t port) {
    names_[key].running = true;
    ++running_;
    resolver_.async_resolve(
        host, std::to_string(port), tcp::resolver::address_configured,
        [this, key](const error_code& error, const tcp::resolver::results_type& results) {
            --running_;
            Name& name = names_[key];
            name.running = false;
            name.error = error;
            if (!error && !results.empty()) {
                name.endpoints.clear();
                for (const auto& result : results) name.endpoints.push_back(result.endpoint());
                name.good_until = std::chrono::steady_clock::now() + good_for;
            }
            for (auto* waiter : std::exchange(name.waiters, {})) waiter->cancel();
        });
}

void Resolver::give_up() {
    given_up_ = true;
    for (auto& [key, name] : names_) {
        for (auto* waiter : std::exchange(name.waiters, {})) waiter->cancel();
    }
}

asio::awaitable<Result<Resolver::Endpoints>> Resolver::resolve(std::string host, std::uint16_t port,
                                                               MonoTime deadline) {
    error_code no_address;
    const auto address = asio::ip::make_address(host, no_address);
    if (!no_address) co_return Endpoints{tcp::endpoint(address, port)};

    const std::string key = fmt::format("{}:{}", host, port);
    Name& name = names_[key];  // never removed: the reference stays good
    const bool fresh = std::chrono::steady_clock::now() < name.good_until;
    if (!fresh && !name.running) look_up(key, host, port);
    asio::steady_timer wait(io_);
    while (name.running && name.endpoints.empty()) {
        if (given_up_ || std::chrono::steady_clock::now() >= deadline) {
            std::erase(name.waiters, &wait);
            co_return Error{make_error_code(boost::system::errc::timed_out),
                            fmt::format("the name {} could not be resolved in time", host)};
        }
        if (std::ranges::find(name.waiters, &wait) == name.waiters.end()) {
            name.waiters.push_back(&wait);
        }
        wait.expires_at(deadline);
        co_await wait.async_wait(asio::as_tuple(asio::deferred));
    }
    std::erase(name.waiters, &wait);
    if (!name.endpoints.empty()) co_return name.endpoints;
    co_return Error{name.error,
                    fmt::format("the name {} can't be resolved: {}", host, name.error.message())};
}

}  // namespace flowrelay::runtime
