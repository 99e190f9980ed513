// Serves the sockets of the process, with a thread for each connection and one request on each. A
// web server in front of the pages handles slow browsers.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"

namespace flowrelay::pages {

/// Answers a complete request on a connection. Called by many threads at once.
using Answer = std::function<http::Response(const http::RequestReader& reader, int connection)>;

/// A listening socket.
struct Listener {
    int fd = -1;  ///< non-blocking; owned by the caller
    Answer answer;
    std::size_t max_connections = 64;  ///< more connections wait in the kernel
};

struct ServerLimits {
    http::RequestLimits request{16 * 1024, 16 * 1024};
    Milliseconds patience = Seconds(10);  ///< time limit for reading a request or writing an answer
};

class Server {
public:
    /// `log` must outlive this.
    Server(std::vector<Listener> listeners, ServerLimits limits, Log& log);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Serves until the descriptor `stop` is readable, then waits for the requests in progress.
    /// Calls `now_and_then` about twice a minute, in this thread.
    void run(int stop, const std::function<void()>& now_and_then);

private:
    struct Connection {
        int fd = -1;
        std::size_t listener = 0;
        std::atomic<bool> done = false;
        std::thread thread;
    };

    void accept_from(std::size_t listener);
    void serve(Connection& connection);
    std::size_t open_of(std::size_t listener) const;
    void reap();
    void close_all();

    std::vector<Listener> listeners_;
    ServerLimits limits_;
    Log& log_;
    int wake_ = -1;  ///< eventfd: a connection has ended
    std::list<Connection> connections_;
};

}  // namespace flowrelay::pages
