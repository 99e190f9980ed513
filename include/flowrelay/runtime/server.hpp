// Accepts connections and limits their number; used for ingest, control and metrics. I/O thread
// only.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/repeat_limiter.hpp"

namespace flowrelay::runtime {

using StreamSocket = boost::asio::generic::stream_protocol::socket;

/// One connection of a producer or an operator.
class Session : public std::enable_shared_from_this<Session> {
public:
    explicit Session(StreamSocket socket) : socket_(std::move(socket)) {}
    virtual ~Session() = default;

    /// Serves the connection until it ends.
    virtual boost::asio::awaitable<void> run() = 0;

    /// Stops reading. Requests already read are answered, then run() returns.
    void finish();

    /// Ends the connection now. Work in progress for it should end soon.
    void abort();
    bool is_aborted() const noexcept { return aborted_; }

    /// Returns whether the peer has no request in progress, so that closing the connection loses
    /// nothing.
    bool is_idle() const noexcept { return idle_; }

    /// Called once a second, for checks that depend on time.
    virtual void watch(MonoTime) {}

    /// Returns the time by which the peer must continue. The session sets it whenever it waits for
    /// the peer.
    MonoTime deadline() const noexcept { return deadline_; }

protected:
    StreamSocket socket_;
    MonoTime deadline_ = MonoTime::max();
    bool idle_ = false;

private:
    bool aborted_ = false;
};

class Server {
public:
    using MakeSession = std::function<std::shared_ptr<Session>(StreamSocket)>;

    /// `log` outlives the server. At most `max_connections` connections are open on its Unix
    /// sockets, plus a quarter of that over TCP (all of it if there is no Unix socket). Further
    /// connections are told to try again later, and closed.
    Server(boost::asio::any_io_executor io, std::string name, std::size_t max_connections,
           MakeSession make_session, Log& log);

    /// Takes ownership of a listening socket.
    void add_listener(int fd);

    void start();

    /// Stops accepting and finishes all sessions. Sessions that last longer than `grace` are
    /// aborted.
    boost::asio::awaitable<void> stop(Milliseconds grace);

    /// Sets the limit for new connections.
    void set_max_connections(std::size_t max) noexcept { max_connections_ = max; }

    /// Sets the limit for new connections of one user on the Unix sockets; 0: no limit.
    void set_max_per_uid(std::size_t max) noexcept { max_per_uid_ = max; }

    /// Sets whether the connection that has been idle longest is closed to make room for a new one.
    /// If the limit per user is reached, only a connection of the same user is closed.
    void evict_idle(bool evict) noexcept { evict_idle_ = evict; }

    /// Reserves places, in addition to the limits, for connections for which `for_whom` returns
    /// true.
    void reserve(std::size_t places, std::function<bool(int fd)> for_whom) {
        reserved_ = places;
        reserved_for_ = std::move(for_whom);
    }

    /// Sets what is sent to a connection for which there is no room. The default is a line of
    /// NDJSON.
    void set_busy_answer(std::string answer) { busy_answer_ = std::move(answer); }

    /// Calls `look` once a second while the server runs.
    void each_second(std::function<void()> look) { each_second_ = std::move(look); }

    std::size_t connections() const noexcept { return sessions_.size(); }

private:
    using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

    boost::asio::awaitable<void> accept(Acceptor& acceptor);
    boost::asio::awaitable<void> serve(std::shared_ptr<Session> session, std::optional<uid_t> uid);
    bool has_room_for(std::optional<uid_t> uid) const;
    bool has_reserve_for(int fd) const;
    bool is_over_share(uid_t uid) const;
    bool evict(std::optional<uid_t> uid);
    std::size_t max_of_tcp() const noexcept;
    std::string most_of() const;
    void refuse(StreamSocket& socket, std::optional<uid_t> uid);
    boost::asio::awaitable<void> watch_deadlines();
    void ended();

    boost::asio::any_io_executor io_;
    std::string name_;
    std::size_t max_connections_;
    MakeSession make_session_;
    Log& log_;
    std::list<Acceptor> acceptors_;
    struct Open {
        std::shared_ptr<Session> session;
        std::optional<uid_t> uid;  ///< none: it came over TCP
    };
    std::list<Open> sessions_;
    std::size_t of_tcp_ = 0;  ///< sessions
    bool has_unix_ = false;   ///< whether one of the listeners is a Unix socket
    bool evict_idle_ = false;
    std::size_t reserved_ = 0;  ///< places in addition to max_connections_
    std::function<bool(int fd)> reserved_for_;
    std::function<void()> each_second_;
    std::string busy_answer_;
    std::size_t max_per_uid_ = 0;
    std::map<uid_t, std::size_t> of_uid_;  ///< sessions
    std::size_t running_ = 0;              ///< coroutines of this object that have not returned
    bool stopping_ = false;
    core::RepeatLimiter busy_lines_{1, Seconds(60)};
    boost::asio::steady_timer watch_;
    boost::asio::steady_timer ended_;
};

}  // namespace flowrelay::runtime
