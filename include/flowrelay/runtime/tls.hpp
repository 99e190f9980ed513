// TLS to the destination: version 1.2 or newer, peer always verified, sessions resumed. I/O thread
// only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <string>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

/// Paths of PEM files.
struct TlsFiles {
    std::string ca;           ///< trusted CAs; empty: those of the system
    std::string certificate;  ///< client certificate with its chain, sent to servers that request
                              ///< one; empty: none
    std::string key;          ///< private key of the certificate; empty: it is in the same file
};

/// Keeps the sessions of earlier connections (RFC 8446, section 2.2; RFC 5077), so that the next
/// connection needs a shorter handshake. A TLS 1.3 session is offered only once (RFC 8446, section
/// C.4). 0-RTT is not used, since others can replay its data.
class TlsSessions;

/// The TLS state shared by all connections to one destination. It outlives their streams.
class TlsContext {
public:
    /// Throws std::runtime_error naming the configuration key, the file and what is wrong with it:
    /// not readable, not PEM, a key that belongs to another certificate, or a key with a passphrase
    /// (the daemon can't ask for it).
    explicit TlsContext(const TlsFiles& files);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    boost::asio::ssl::context& native() noexcept { return context_; }
    TlsSessions& sessions() noexcept { return *sessions_; }

    /// Returns whether a client certificate is configured.
    bool has_certificate() const noexcept { return has_certificate_; }

    /// Returns when the client certificate expires; nothing if there is none.
    std::optional<WallTime> certificate_expires() const noexcept { return certificate_expires_; }

private:
    boost::asio::ssl::context context_;
    std::unique_ptr<TlsSessions> sessions_;
    bool has_certificate_ = false;
    std::optional<WallTime> certificate_expires_;
};

/// Why verification of the server's certificate failed, as text for the operator; empty if it did
/// not.
using TlsObjection = std::string;

/// Prepares a handshake: sets SNI, the name or address that the certificate must have (RFC 6125,
/// RFC 9110 section 4.3.4), and a session to resume. Names in the subject of a certificate are
/// ignored, and so is a dot at the end of the host. `objection` outlives the stream.
Result<void> prepare_handshake(TlsStream& stream, TlsContext& context, const std::string& host,
                               TlsObjection& objection);

/// Returns why a handshake failed and what to do about it. Discards all sessions, so that the next
/// attempt does not offer one to a server that can't resume it.
std::string describe_handshake_failure(const error_code& error, TlsContext& context,
                                       const std::string& host, const TlsObjection& objection);

/// Describes a read error that means the server has rejected the handshake: with TLS 1.3 it checks
/// the client's certificate after the client has begun to send. The request was not processed.
/// Returns empty text for other errors.
std::string describe_late_alert(const error_code& error, const TlsContext& context,
                                const std::string& host);

/// Returns whether the handshake resumed an earlier session.
bool is_resumed(TlsStream& stream);

/// Call it before closing a stream that worked: otherwise OpenSSL takes the missing close_notify
/// for an attack and invalidates the session.
void keep_session(TlsStream& stream);

}  // namespace flowrelay::runtime
