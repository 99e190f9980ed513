// TLS towards the destination: 1.2 and newer, the peer always verified.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <string>

#include "flowrelay/base/error.hpp"

namespace flowrelay::runtime {

using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

/// A client's context: the system's CAs, or those of `ca_file` (PEM) alone.
/// Throws std::runtime_error when the file can't be used.
boost::asio::ssl::context make_tls_context(const std::string& ca_file);

/// Before the handshake: SNI, and the name or address that the certificate must be for
/// (RFC 6125, RFC 9110 section 4.3.4).
Result<void> expect_peer(TlsStream& stream, const std::string& host);

/// After a failed handshake: why, in words that say what to do about it.
std::string describe_tls_failure(TlsStream& stream, const error_code& error,
                                 const std::string& host);

}  // namespace flowrelay::runtime
