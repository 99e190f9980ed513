#include "flowrelay/runtime/server.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/core/log_events.hpp"
#include "flowrelay/runtime/listening_socket.hpp"
#include "flowrelay/runtime/peer.hpp"
#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace ev = core::log_events;
using boost::system::error_code;

// Wait when out of descriptors or memory: retrying at once would only use up the CPU.
constexpr auto accept_pause = std::chrono::milliseconds(100);

// An answer of the NDJSON protocol. To an HTTP client of the ingest socket the connection ends
// without a response.
constexpr std::string_view busy_line =
    R"({"status":"rejected","code":"queue_full","message":"too many connections are open: try again later","retry_after_ms":1000})"
    "\n";

void Session::finish() {
    error_code ignored;
    socket_.shutdown(StreamSocket::shutdown_receive, ignored);
}

void Session::abort() {
    aborted_ = true;
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
      busy_answer_(busy_line),
      watch_(io),
      ended_(io, asio::steady_timer::time_point::max()) {}

void Server::add_listener(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    has_unix_ = has_unix_ || address.ss_family == AF_UNIX;
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
        const auto uid = uid_of(socket.native_handle());
        if (!has_room_for(uid) && !(evict_idle_ && evict(uid)) &&
            !has_reserve_for(socket.native_handle())) {
            refuse(socket, uid);
            continue;
        }
        auto session = make_session_(std::move(socket));
        sessions_.push_back({session, uid});
        if (uid) {
            ++of_uid_[*uid];
        } else {
            ++of_tcp_;
        }
        ++running_;
        spawn(io_, serve(std::move(session), uid));
    }
    ended();
}

bool Server::has_room_for(std::optional<uid_t> uid) const {
    if (!uid) return of_tcp_ < max_of_tcp();
    return sessions_.size() - of_tcp_ < max_connections_ && !is_over_share(*uid);
}

bool Server::has_reserve_for(int fd) const {
    return sessions_.size() - of_tcp_ < max_connections_ + reserved_ && reserved_for_ &&
           reserved_for_(fd);
}

bool Server::is_over_share(uid_t uid) const {
    const auto found = of_uid_.find(uid);
    return max_per_uid_ != 0 && found != of_uid_.end() && found->second >= max_per_uid_;
}

std::size_t Server::max_of_tcp() const noexcept {
    return has_unix_ ? std::max<std::size_t>(max_connections_ / 4, 1) : max_connections_;
}

bool Server::evict(std::optional<uid_t> uid) {
    const bool same_user = uid && is_over_share(*uid);
    const Open* oldest = nullptr;
    for (const Open& open : sessions_) {
        const Session& session = *open.session;
        if (!session.is_idle() || session.is_aborted()) continue;
        if (open.uid.has_value() != uid.has_value() || (same_user && open.uid != uid)) continue;
        // All have the same idle timeout, so the one idle longest has the earliest deadline.
        if (oldest == nullptr || session.deadline() < oldest->session->deadline()) oldest = &open;
    }
    if (oldest == nullptr) return false;
    oldest->session->abort();
    return true;
}

/// Returns the user with the most connections.
std::string Server::most_of() const {
    const auto most =
        std::ranges::max_element(of_uid_, {}, [](const auto& of) { return of.second; });
    return most == of_uid_.end() ? std::string() : std::to_string(most->first);
}

// An answer at once is better than an unexplained wait in the kernel's queue.
void Server::refuse(StreamSocket& socket, std::optional<uid_t> uid) {
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.send(asio::buffer(busy_answer_), 0, ignored);
    const auto suppressed = busy_lines_.admit(std::chrono::steady_clock::now());
    if (!suppressed) return;
    const std::string user = uid ? std::to_string(*uid) : std::string();
    log_.write(ev::server_busy, {{"server", name_},
                                 {"connections", sessions_.size()},
                                 {"uid", user},
                                 {"most_of", most_of()},
                                 {"suppressed", *suppressed}});
}

asio::awaitable<void> Server::serve(std::shared_ptr<Session> session, std::optional<uid_t> uid) {
    co_await session->run();
    session->abort();
    std::erase_if(sessions_, [&session](const Open& open) { return open.session == session; });
    if (!uid) {
        --of_tcp_;
    } else if (--of_uid_[*uid] == 0) {
        of_uid_.erase(*uid);
    }
    ended();
}

asio::awaitable<void> Server::watch_deadlines() {
    while (!stopping_) {
        watch_.expires_after(std::chrono::seconds(1));
        co_await watch_.async_wait(asio::as_tuple(asio::deferred));
        if (each_second_ && !stopping_) each_second_();
        const MonoTime now = std::chrono::steady_clock::now();
        for (const auto& [session, uid] : sessions_) {
            session->watch(now);
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
    watch_.cancel();
    for (const auto& [session, uid] : sessions_) session->finish();
    const MonoTime deadline = std::chrono::steady_clock::now() + grace;
    bool aborted = false;
    while (running_ > 0) {
        ended_.expires_at(aborted ? asio::steady_timer::time_point::max() : deadline);
        co_await ended_.async_wait(asio::as_tuple(asio::deferred));
        if (running_ > 0 && !aborted && std::chrono::steady_clock::now() >= deadline) {
            aborted = true;
            for (const auto& [session, uid] : sessions_) session->abort();
        }
    }
}

}  // namespace flowrelay::runtime
