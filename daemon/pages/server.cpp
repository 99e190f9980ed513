#include "pages/server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "flowrelay/base/error.hpp"
#include "flowrelay/client/unix_stream.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::pages {

namespace ev = core::log_events;

namespace {

constexpr Milliseconds tidy_interval = Seconds(30);
constexpr Milliseconds farewell = Seconds(1);

bool wait_for(int fd, short events, MonoTime deadline) {
    while (true) {
        pollfd waiting{fd, events, 0};
        const int found = ::poll(&waiting, 1, client::milliseconds_until(deadline));
        if (found > 0) return true;
        if (found == 0 || errno != EINTR) return false;
    }
}

/// Reads until a request is complete or invalid. Returns false if none arrived.
bool read_request(int fd, http::RequestReader& reader, MonoTime deadline) {
    std::array<char, 8192> bytes;
    while (reader.status() == http::ReadStatus::need_more) {
        if (!wait_for(fd, POLLIN, deadline)) return false;
        const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), 0);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (size <= 0) return false;
        reader.put({bytes.data(), static_cast<std::size_t>(size)});
        if (reader.take_expects_continue()) {
            const std::string_view go_on = http::continue_response();
            (void)::send(fd, go_on.data(), go_on.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    }
    return true;
}

void write_all(int fd, std::string_view bytes, MonoTime deadline) {
    while (!bytes.empty()) {
        if (!wait_for(fd, POLLOUT, deadline)) return;
        const ssize_t size = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (size < 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
}

/// Reads and discards further input. Closing with unread input could lose the answer (RFC 9112,
/// section 9.6).
void say_goodbye(int fd) {
    ::shutdown(fd, SHUT_WR);
    const MonoTime deadline = MonoTime::clock::now() + farewell;
    std::array<char, 8192> bytes;
    while (wait_for(fd, POLLIN, deadline)) {
        const ssize_t size = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return;
    }
}

http::Response plain(int status, std::string text) {
    http::Response response;
    response.status = status;
    response.content_type = "text/plain; charset=utf-8";
    response.fields = {{"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
    response.body = std::move(text);
    return response;
}

http::Response refuse(const http::RequestReader& reader) {
    switch (reader.status()) {
        case http::ReadStatus::head_too_large:
            return plain(431, "the head of the request is too long\n");
        case http::ReadStatus::body_too_large:
            return plain(413, "the request is too long\n");
        default:
            return plain(400, fmt::format("{}\n", reader.problem()));
    }
}

}  // namespace

Server::Server(std::vector<Listener> listeners, ServerLimits limits, Log& log)
    : listeners_(std::move(listeners)),
      limits_(limits),
      log_(log),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_ < 0) throw std::runtime_error(system_error(errno, "make", "an eventfd").message);
}

Server::~Server() {
    close_all();
    ::close(wake_);
}

void Server::close_all() {
    for (Connection& connection : connections_) {
        connection.thread.join();
        ::close(connection.fd);
    }
    connections_.clear();
}

std::size_t Server::open_of(std::size_t listener) const {
    return static_cast<std::size_t>(
        std::ranges::count(connections_, listener, &Connection::listener));
}

void Server::reap() {
    std::uint64_t ended = 0;
    (void)!::read(wake_, &ended, sizeof ended);
    for (auto at = connections_.begin(); at != connections_.end();) {
        if (!at->done) {
            ++at;
            continue;
        }
        at->thread.join();
        ::close(at->fd);
        at = connections_.erase(at);
    }
}

void Server::accept_from(std::size_t listener) {
    const int fd =
        ::accept4(listeners_[listener].fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        // Without descriptors the connection stays in the queue, and poll(2) would return at once.
        if (errno == EMFILE || errno == ENFILE) std::this_thread::sleep_for(Milliseconds(100));
        return;
    }
    Connection& connection = connections_.emplace_back();
    connection.fd = fd;
    connection.listener = listener;
    try {
        connection.thread = std::thread([this, &connection] { serve(connection); });
    } catch (const std::system_error& error) {
        log_.write(ev::pages_failed,
                   {{"step", "start a thread"}, {"source", ""}, {"reason", error.what()}});
        ::close(fd);
        connections_.pop_back();
    }
}

void Server::serve(Connection& connection) {
    http::RequestReader reader(limits_.request);
    if (read_request(connection.fd, reader, MonoTime::clock::now() + limits_.patience)) {
        http::Response response;
        if (reader.status() != http::ReadStatus::complete) {
            response = refuse(reader);
        } else {
            try {
                response = listeners_[connection.listener].answer(reader, connection.fd);
            } catch (const std::exception& error) {
                log_.write(ev::pages_failed,
                           {{"step", "answer"}, {"source", ""}, {"reason", error.what()}});
                response = plain(500, "The relay could not do this. Try again later.\n");
            }
            response.minor_version = reader.request().minor_version;
            response.head_only = reader.request().method == "HEAD";
        }
        response.keep_alive = false;
        std::string bytes;
        http::append_response(bytes, response);
        write_all(connection.fd, bytes, MonoTime::clock::now() + limits_.patience);
        say_goodbye(connection.fd);
    }
    connection.done = true;  // reap() closes the descriptor, so its number is not reused before
    const std::uint64_t one = 1;
    (void)!::write(wake_, &one, sizeof one);
}

void Server::run(int stop, const std::function<void()>& now_and_then) {
    MonoTime tidy_at = MonoTime::clock::now() + tidy_interval;
    while (true) {
        std::vector<pollfd> waiting{{stop, POLLIN, 0}, {wake_, POLLIN, 0}};
        for (std::size_t i = 0; i < listeners_.size(); ++i) {
            const bool has_room = open_of(i) < listeners_[i].max_connections;
            waiting.push_back({has_room ? listeners_[i].fd : -1, POLLIN, 0});
        }
        const int found =
            ::poll(waiting.data(), waiting.size(), client::milliseconds_until(tidy_at));
        if (found < 0 && errno != EINTR) {
            throw std::runtime_error(system_error(errno, "wait for", "connections").message);
        }
        if (MonoTime::clock::now() >= tidy_at) {
            now_and_then();
            tidy_at = MonoTime::clock::now() + tidy_interval;
        }
        if (found <= 0) continue;
        if (waiting[0].revents != 0) break;
        if (waiting[1].revents != 0) reap();
        for (std::size_t i = 0; i < listeners_.size(); ++i) {
            if (waiting[i + 2].revents != 0) accept_from(i);
        }
    }
    // Do not wait for connections without a request.
    for (const Connection& connection : connections_) ::shutdown(connection.fd, SHUT_RD);
    close_all();
}

}  // namespace flowrelay::pages
