#include "flowrelay/runtime/tls.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string_view>

#include "tls_certificate.hpp"
#include "tls_sessions.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

namespace {

std::runtime_error file_error(std::string_view key, std::string_view path, std::string_view why) {
    return std::runtime_error(fmt::format("destination.{}: {}: {}", key, path, why));
}

/// Returns why OpenSSL refused the contents of a file: "no start line".
std::string first_reason() {
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    ERR_clear_error();
    return reason != nullptr ? reason : "not what is expected there";
}

using File = std::unique_ptr<BIO, decltype(&BIO_free)>;

File open_file(std::string_view key, const std::string& path) {
    File file(BIO_new_file(path.c_str(), "r"), &BIO_free);
    if (file != nullptr) return file;
    const int why = errno;
    ERR_clear_error();
    throw file_error(key, path, system_error(why, "read", "the file").message);
}

void trust(SSL_CTX* context, const std::string& ca_file) {
    if (ca_file.empty()) {
        if (SSL_CTX_set_default_verify_paths(context) == 1) return;
        throw file_error("ca_file", "the CAs of the system", first_reason());
    }
    open_file("ca_file", ca_file);
    if (SSL_CTX_load_verify_file(context, ca_file.c_str()) == 1) return;
    throw file_error("ca_file", ca_file,
                     fmt::format("cannot read CA certificates (PEM): {}", first_reason()));
}

int note_passphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;  // without this callback OpenSSL would ask on the terminal
}

void show_certificate(SSL_CTX* context, const std::string& certificate, const std::string& key) {
    open_file("client_certificate", certificate);
    if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
        throw file_error("client_certificate", certificate,
                         fmt::format("cannot read a certificate (PEM): {}", first_reason()));
    }
    const std::string& path = key.empty() ? certificate : key;
    const File file = open_file("client_key", path);
    bool has_passphrase = false;
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> read(
        PEM_read_bio_PrivateKey(file.get(), nullptr, &note_passphrase, &has_passphrase),
        &EVP_PKEY_free);
    if (has_passphrase) {
        ERR_clear_error();
        throw file_error("client_key", path,
                         "the key has a passphrase, and nobody is there to type it: take it off "
                         "with `openssl pkey -in OLD -out NEW`, or hand it over as a systemd "
                         "credential, which can be encrypted");
    }
    if (read == nullptr) {
        throw file_error("client_key", path,
                         fmt::format("cannot read a private key (PEM): {}{}", first_reason(),
                                     key.empty() ? "; is it in a file of its own?" : ""));
    }
    if (SSL_CTX_use_PrivateKey(context, read.get()) != 1) {
        ERR_clear_error();
        throw file_error("client_key", path,
                         fmt::format("is not the key of the certificate in {}", certificate));
    }
}

/// Describes an alert (RFC 8446, section 6.2) with which the server rejected the client
/// certificate; empty for other alerts.
std::string_view objection_to_ours(int reason) {
    switch (reason) {
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return "it asks for a certificate";
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
            return "it has expired";
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
            return "it was revoked";
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
            return "its CA is not known there";
        case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
            return "access denied";
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
            return "it is not accepted";
        default:
            return "";
    }
}

bool is_from_openssl(const error_code& error) {
    return error.category() == asio::error::get_ssl_category();
}

int reason_number(const error_code& error) {
    return ERR_GET_REASON(static_cast<unsigned long>(error.value()));
}

}  // namespace

TlsContext::TlsContext(const TlsFiles& files)
    : context_(ssl::context::tls_client), sessions_(std::make_unique<TlsSessions>()) {
    ERR_clear_error();  // so that first_reason() finds only errors of this function
    SSL_CTX_set_min_proto_version(context_.native_handle(), TLS1_2_VERSION);
    context_.set_verify_mode(ssl::verify_peer);
    trust(context_.native_handle(), files.ca);
    if (!files.certificate.empty()) {
        show_certificate(context_.native_handle(), files.certificate, files.key);
        has_certificate_ = true;
        certificate_expires_ = expiry_of_certificate(context_.native_handle());
    }
    sessions_->attach(context_.native_handle());
}

TlsContext::~TlsContext() = default;

Result<void> prepare_handshake(TlsStream& stream, TlsContext& context, const std::string& name,
                               TlsObjection& objection) {
    objection.clear();
    // The dot at the end of an absolute name is only for the resolver (RFC 6066, section 3).
    const std::string host = name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
    SSL* handle = stream.native_handle();
    X509_VERIFY_PARAM* verify = SSL_get0_param(handle);
    error_code no_address;
    asio::ip::make_address(host, no_address);
    bool fine;
    if (no_address) {
        X509_VERIFY_PARAM_set_hostflags(
            verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        fine = SSL_set_tlsext_host_name(handle, host.c_str()) == 1 &&
               X509_VERIFY_PARAM_set1_host(verify, host.c_str(), host.size()) == 1;
    } else {
        fine = X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) == 1;
    }
    if (!fine) {
        return Error{make_error_code(boost::system::errc::invalid_argument),
                     fmt::format("cannot set up TLS for the host \"{}\"", host)};
    }
    stream.set_verify_callback([&objection, host](bool fits, ssl::verify_context& seen) {
        if (!fits) objection = describe_objection(seen.native_handle(), host);
        return fits;
    });
    context.sessions().offer(handle);
    return {};
}

std::string describe_handshake_failure(const error_code& error, TlsContext& context,
                                       const std::string& host, const TlsObjection& objection) {
    context.sessions().forget();
    if (!objection.empty()) return objection;
    if (error == ssl::error::stream_truncated || error == asio::error::eof) {
        return fmt::format("{} closed the connection during the TLS handshake", host);
    }
    if (is_from_openssl(error)) {
        const std::string about_ours = describe_late_alert(error, context, host);
        if (!about_ours.empty()) return about_ours;
        switch (reason_number(error)) {
            case SSL_R_WRONG_VERSION_NUMBER:
                return fmt::format("{} does not speak TLS on this port: see destination.base_url",
                                   host);
            case SSL_R_UNSUPPORTED_PROTOCOL:
            case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
                return fmt::format("{} speaks neither TLS 1.2 nor TLS 1.3", host);
            case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
                return fmt::format(
                    "{} refuses the TLS handshake{}", host,
                    context.has_certificate()
                        ? ": perhaps it does not accept destination.client_certificate"
                        : ": perhaps it asks for a certificate (destination.client_certificate)");
            default:
                break;
        }
    }
    return fmt::format("the TLS handshake with {} failed: {}", host, error.message());
}

std::string describe_late_alert(const error_code& error, const TlsContext& context,
                                const std::string& host) {
    if (!is_from_openssl(error)) return {};
    const std::string_view why = objection_to_ours(reason_number(error));
    if (why.empty()) return {};
    if (!context.has_certificate()) {
        return fmt::format(
            "{} wants to see a certificate: set destination.client_certificate and "
            "destination.client_key",
            host);
    }
    return fmt::format("{} refuses the certificate in destination.client_certificate: {}", host,
                       why);
}

bool is_resumed(TlsStream& stream) {
    return SSL_session_reused(stream.native_handle()) == 1;
}

void keep_session(TlsStream& stream) {
    SSL_set_shutdown(stream.native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

}  // namespace flowrelay::runtime
