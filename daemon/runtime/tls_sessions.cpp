#include "tls_sessions.hpp"

#include <openssl/x509.h>

namespace flowrelay::runtime {

namespace {

// A server sends one or two sessions per connection. Each takes about 4 KiB, including the
// certificates.
constexpr std::size_t max_sessions = 64;

/// Index of the TlsSessions pointer in a context; OpenSSL's callbacks have no other access to it.
int slot() {
    static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
}

/// Checks the expiry, because a resumed handshake does not: it transfers no certificate.
bool is_certificate_valid(const SSL_SESSION* session) {
    X509* const certificate = SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(session));
    return certificate != nullptr && X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

}  // namespace

void TlsSessions::attach(SSL_CTX* context) {
    SSL_CTX_set_ex_data(context, slot(), this);
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, &TlsSessions::take);
}

int TlsSessions::take(SSL* stream, SSL_SESSION* session) {
    void* const self = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(stream), slot());
    static_cast<TlsSessions*>(self)->keep(Session(session));
    return 1;  // this object now owns the reference
}

void TlsSessions::keep(Session session) {
    sessions_.push_back(std::move(session));
    if (sessions_.size() > max_sessions) sessions_.pop_front();
}

void TlsSessions::offer(SSL* stream) {
    while (!sessions_.empty()) {
        SSL_SESSION* const session = sessions_.back().get();
        const bool usable = SSL_SESSION_is_resumable(session) == 1 && is_certificate_valid(session);
        const bool once = SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
        if (usable) SSL_set_session(stream, session);  // takes a reference of its own
        if (!usable || once) sessions_.pop_back();
        if (usable) return;
    }
}

}  // namespace flowrelay::runtime
