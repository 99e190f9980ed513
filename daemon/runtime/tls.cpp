#include "flowrelay/runtime/tls.hpp"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <stdexcept>

namespace flowrelay::runtime {
namespace ssl = boost::asio::ssl;

ssl::context make_tls_context(const std::string& ca_file) {
    ssl::context context(ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    context.set_verify_mode(ssl::verify_peer);
    error_code error;
    if (ca_file.empty()) {
        context.set_default_verify_paths(error);
    } else {
        context.load_verify_file(ca_file, error);
    }
    if (error) {
        throw std::runtime_error(
            fmt::format("destination.ca_file: cannot read certificates from {}: {}",
                        ca_file.empty() ? "the system's CA directory" : ca_file, error.message()));
    }
    return context;
}

Result<void> expect_peer(TlsStream& stream, const std::string& host) {
    SSL* handle = stream.native_handle();
    X509_VERIFY_PARAM* verify = SSL_get0_param(handle);
    error_code no_address;
    boost::asio::ip::make_address(host, no_address);
    bool fine;
    if (no_address) {
        X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        fine = SSL_set_tlsext_host_name(handle, host.c_str()) == 1 &&
               X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size()) == 1;
    } else {
        fine = X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1;
    }
    if (fine) return {};
    return Error{make_error_code(boost::system::errc::invalid_argument),
                 fmt::format("cannot set up TLS for the host \"{}\"", host)};
}

std::string describe_tls_failure(TlsStream& stream, const error_code& error,
                                 const std::string& host) {
    const long verdict = SSL_get_verify_result(stream.native_handle());
    if (verdict == X509_V_OK) {
        if (error == ssl::error::stream_truncated || error == boost::asio::error::eof) {
            return fmt::format("{} closed the connection during the TLS handshake", host);
        }
        return fmt::format("the TLS handshake with {} failed: {}", host, error.message());
    }
    const char* reason = X509_verify_cert_error_string(verdict);
    switch (verdict) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return fmt::format("the certificate is not for {} ({})", host, reason);
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return fmt::format(
                "the certificate of {} is not from a trusted CA ({}): see destination.ca_file",
                host, reason);
        default:
            return fmt::format("the certificate of {} is refused ({})", host, reason);
    }
}

}  // namespace flowrelay::runtime
