#include "flowrelay/runtime/server.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <utility>
#include <vector>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/runtime/listening_socket.hpp"
#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace ev = core::log_events;
using boost::system::error_code;

// Out of descriptors or memory: trying at once would only burn the processor.
constexpr auto accept_pause = std::chrono::milliseconds(100);

void Session::finish() {
    error_code ignored;
    socket_.shutdown(StreamSocket::shutdown_receive, ignored);
}

void Session::abort() {
    error_code ignored;
    socket_.close(ignored);
}

Server::Server(asio::any_io_executor io, std::string name, std::size_t max_connections,
               MakeSession make_session, Log& log)
    : io_(io),
      name_(std::move(name)),
      max_connections_(max_connections),
      make_session_(std::move(make_session)),
      log_(log),
      place_(io, asio::steady_timer::time_point::max()),
      watch_(io),
      ended_(io, asio::steady_timer::time_point::max()) {}

void Server::add_listener(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    auto& acceptor = acceptors_.emplace_back(io_);
    acceptor.assign(asio::generic::stream_protocol(address.ss_family, 0), fd);
}

void Server::start() {
    for (auto& acceptor : acceptors_) {
        log_.write(ev::server_listening,
                   {{"server", name_}, {"address", describe_listener(acceptor.native_handle())}});
        ++running_;
        spawn(io_, accept(acceptor));
    }
    ++running_;
    spawn(io_, watch_deadlines());
}

asio::awaitable<void> Server::accept(Acceptor& acceptor) {
    asio::steady_timer pause(io_);
    while (!stopping_) {
        co_await wait_for_place();
        if (stopping_) break;
        StreamSocket socket(io_);
        const auto [error] = co_await acceptor.async_accept(socket, asio::as_tuple(asio::deferred));
        if (stopping_) break;
        if (error) {
            if (error == asio::error::connection_aborted) continue;
            log_.write(ev::server_accept_failed, {{"server", name_}, {"reason", error.message()}});
            pause.expires_after(accept_pause);
            co_await pause.async_wait(asio::as_tuple(asio::deferred));
            continue;
        }
        auto session = make_session_(std::move(socket));
        sessions_.push_back(session);
        ++running_;
        spawn(io_, serve(std::move(session)));
    }
    ended();
}

asio::awaitable<void> Server::wait_for_place() {
    if (sessions_.size() < max_connections_) co_return;
    log_.write(ev::server_busy, {{"server", name_}, {"connections", sessions_.size()}});
    while (!stopping_ && sessions_.size() >= max_connections_) {
        co_await place_.async_wait(asio::as_tuple(asio::deferred));
    }
}

asio::awaitable<void> Server::serve(std::shared_ptr<Session> session) {
    co_await session->run();
    session->abort();
    std::erase(sessions_, session);
    place_.cancel();
    ended();
}

asio::awaitable<void> Server::watch_deadlines() {
    while (!stopping_) {
        watch_.expires_after(std::chrono::seconds(1));
        co_await watch_.async_wait(asio::as_tuple(asio::deferred));
        const MonoTime now = std::chrono::steady_clock::now();
        for (const auto& session : sessions_) {
            if (now >= session->deadline()) session->abort();
        }
    }
    ended();
}

void Server::ended() {
    if (--running_ == 0) ended_.cancel();
}

asio::awaitable<void> Server::stop(Milliseconds grace) {
    stopping_ = true;
    for (auto& acceptor : acceptors_) {
        error_code ignored;
        acceptor.close(ignored);
    }
    place_.cancel();
    watch_.cancel();
    for (const auto& session : sessions_) session->finish();
    const MonoTime deadline = std::chrono::steady_clock::now() + grace;
    bool aborted = false;
    while (running_ > 0) {
        ended_.expires_at(aborted ? asio::steady_timer::time_point::max() : deadline);
        co_await ended_.async_wait(asio::as_tuple(asio::deferred));
        if (running_ > 0 && !aborted && std::chrono::steady_clock::now() >= deadline) {
            aborted = true;
            for (const auto& session : sessions_) session->abort();
        }
    }
}

}  // namespace flowrelay::runtime
