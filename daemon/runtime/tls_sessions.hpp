// Keeps TLS sessions for later connections to resume. I/O thread only.
#pragma once

#include <openssl/ssl.h>

#include <deque>
#include <memory>

namespace flowrelay::runtime {

class TlsSessions {
public:
    /// Keeps the sessions that servers send to streams of `context`. This object outlives those
    /// streams.
    void attach(SSL_CTX* context);

    /// Offers the newest session in a handshake that has not begun.
    void offer(SSL* stream);

    void forget() { sessions_.clear(); }

private:
    struct Free {
        void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
    };
    using Session = std::unique_ptr<SSL_SESSION, Free>;

    static int take(SSL* stream, SSL_SESSION* session);
    void keep(Session session);

    std::deque<Session> sessions_;  ///< the newest last
};

}  // namespace flowrelay::runtime
