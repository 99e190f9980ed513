// The TLS sessions that the next connections may go on with. I/O thread only.
#pragma once

#include <openssl/ssl.h>

#include <deque>
#include <memory>

namespace flowrelay::runtime {

class TlsSessions {
public:
    /// Has `context` hand over what servers give. The object outlives the context's streams.
    void attach(SSL_CTX* context);

    /// Offers the newest one to a handshake that has not begun.
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
