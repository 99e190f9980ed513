#include "flowrelay/runtime/resolver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <cstdint>
#include <memory>

namespace flowrelay::runtime {
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

bool is_address(const std::string& host) {
    error_code no_address;
    asio::ip::make_address(host, no_address);
    return !no_address;
}

MonoTime now() {
    return std::chrono::steady_clock::now();
}

}  // namespace

LookUp system_look_up(const asio::any_io_executor& io) {
    const auto resolver = std::make_shared<tcp::resolver>(io);
    return [resolver](const std::string& host, std::uint16_t port, LookUpDone done) {
        resolver->async_resolve(
            host, std::to_string(port), tcp::resolver::address_configured,
            [done = std::move(done)](const error_code& error,
                                     const tcp::resolver::results_type& results) {
                Endpoints endpoints;
                for (const auto& result : results) endpoints.push_back(result.endpoint());
                done(error, std::move(endpoints));
            });
    };
}

Resolver::Resolver(asio::any_io_executor io) : Resolver(io, system_look_up(io), NameTimes()) {}

Resolver::Resolver(asio::any_io_executor io, LookUp look_up, NameTimes times)
    : io_(std::move(io)), look_up_(std::move(look_up)), times_(times) {}

Resolver::Name& Resolver::name_of(const Key& key) {
    return names_.try_emplace(key, times_).first->second;
}

void Resolver::refresh(const Key& key, Name& name) {
    if (name.running || given_up_ || !name.record.wants_look_up(now())) return;
    name.running = true;
    ++running_;
    look_up_(key.first, key.second, [this, &name](const error_code& error, Endpoints endpoints) {
        --running_;
        name.running = false;
        if (error) {
            name.record.failed(error, now());
        } else {
            name.record.found(endpoints, now());
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

bool Resolver::leads_to(const std::string& host, std::uint16_t port,
                        const tcp::endpoint& endpoint) {
    if (!address_.empty() && host == address_) return true;
    if (is_address(host)) {
        address_ = host;
        return true;
    }
    const Key key(host, port);
    Name& name = name_of(key);
    refresh(key, name);
    return name.record.has(endpoint, now());
}

void Resolver::pass_over(const std::string& host, std::uint16_t port,
                         const tcp::endpoint& endpoint) {
    const auto found = names_.find(Key(host, port));
    if (found != names_.end()) found->second.record.pass_over(endpoint);
}

asio::awaitable<Result<Endpoints>> Resolver::resolve(std::string host, std::uint16_t port,
                                                     MonoTime deadline) {
    error_code no_address;
    const auto address = asio::ip::make_address(host, no_address);
    if (!no_address) co_return Endpoints{tcp::endpoint(address, port)};

    const Key key(host, port);
    Name& name = name_of(key);
    refresh(key, name);
    asio::steady_timer wait(io_);
    while (name.running && name.record.endpoints(now()).empty()) {
        if (given_up_ || now() >= deadline) {
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
    auto endpoints = name.record.endpoints(now());
    if (!endpoints.empty()) co_return endpoints;
    const error_code error = given_up_ ? asio::error::operation_aborted : name.record.error();
    co_return Error{error, fmt::format("the name {} can't be resolved: {}", host, error.message())};
}

}  // namespace flowrelay::runtime
