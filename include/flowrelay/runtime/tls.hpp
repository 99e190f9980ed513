// TLS towards the destination: 1.2 and newer, the peer always verified, sessions resumed.
// I/O thread only.
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
    std::string ca;           ///< the CAs that are trusted; empty: those of the system
    std::string certificate;  ///< shown to a server that asks, with its chain; empty: none
    std::string key;          ///< of the certificate; empty: it is in the same file
};

/// Keeps the sessions of earlier connections (RFC 8446, section 2.2; RFC 5077), so that the next
/// one takes a shorter handshake. A TLS 1.3 session is offered once, as section C.4 asks. No 0-RTT:
/// such data can be replayed by others.
class TlsSessions;

/// What connections to one destination have in common. It outlives their streams.
class TlsContext {
public:
    /// Throws std::runtime_error that names the key of the configuration, the file and what is
    /// wrong with it: not readable, not PEM, a key that belongs to another certificate, a key with
    /// a passphrase (nobody is there to type it).
    explicit TlsContext(const TlsFiles& files);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    boost::asio::ssl::context& native() noexcept { return context_; }
    TlsSessions& sessions() noexcept { return *sessions_; }

    /// A certificate is shown to servers that ask.
    bool has_certificate() const noexcept { return has_certificate_; }

    /// When that certificate expires; nothing without one.
    std::optional<WallTime> certificate_expires() const noexcept { return certificate_expires_; }

private:
    boost::asio::ssl::context context_;
    std::unique_ptr<TlsSessions> sessions_;
    bool has_certificate_ = false;
    std::optional<WallTime> certificate_expires_;
};

/// What verification objected to, in words for people; empty unless it did.
using TlsObjection = std::string;

/// Before the handshake: SNI, the name or address that the certificate must be for (RFC 6125,
/// RFC 9110 section 4.3.4), a session to resume. Names in the subject of a certificate do not
/// count, a dot at the end of the host neither. `objection` outlives the stream.
Result<void> prepare_handshake(TlsStream& stream, TlsContext& context, const std::string& host,
                               TlsObjection& objection);

/// After a failed handshake: why, in words that say what to do about it. Sessions are forgotten, so
/// that a server that can't resume them is asked without.
std::string describe_handshake_failure(const error_code& error, TlsContext& context,
                                       const std::string& host, const TlsObjection& objection);

/// A failed read that is the server's word on the handshake: under TLS 1.3 it judges the client's
/// certificate after the client has begun to send. The request was not taken. Empty for others.
std::string describe_late_alert(const error_code& error, const TlsContext& context,
                                const std::string& host);

/// The handshake was a short one: it went on with an earlier session.
bool is_resumed(TlsStream& stream);

/// Before a stream is given up that did its work: without it OpenSSL takes the end for an attack
/// and spoils the session.
void keep_session(TlsStream& stream);

}  // namespace flowrelay::runtime
