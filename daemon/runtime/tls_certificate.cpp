#include "tls_certificate.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <string_view>

#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

namespace {

constexpr std::size_t longest_text = 160;

/// Makes untrusted text safe for one log line.
std::string tame(std::string_view text) {
    std::string result(text.substr(0, longest_text));
    for (char& c : result) {
        if (c < 0x20 || c > 0x7E) c = '?';
    }
    if (text.size() > longest_text) result += "...";
    return result;
}

std::string read_all(BIO* memory) {
    const char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

Memory make_memory() {
    return {BIO_new(BIO_s_mem()), &BIO_free};
}

std::string show(const X509_NAME* name) {
    const Memory memory = make_memory();
    X509_NAME_print_ex(memory.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
    return tame(read_all(memory.get()));
}

/// Returns "DNS:other.example, IP Address:192.0.2.1", or the subject if the certificate has no such
/// names.
std::string show_names(X509* certificate) {
    const Memory memory = make_memory();
    const int index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
    if (index < 0) return show(X509_get_subject_name(certificate));
    X509V3_EXT_print(memory.get(), X509_get_ext(certificate, index), 0, 0);
    return tame(read_all(memory.get()));
}

std::string show(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return "?";
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900,
                       parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

/// Returns "the certificate of HOST", or a text that names one of the CAs above it.
std::string which(X509_STORE_CTX* verification, X509* certificate, const std::string& host) {
    if (X509_STORE_CTX_get_error_depth(verification) == 0) {
        return fmt::format("the certificate of {}", host);
    }
    return fmt::format("the CA certificate \"{}\" above that of {}",
                       show(X509_get_subject_name(certificate)), host);
}

}  // namespace

std::string describe_objection(X509_STORE_CTX* verification, const std::string& host) {
    const int error = X509_STORE_CTX_get_error(verification);
    X509* const certificate = X509_STORE_CTX_get_current_cert(verification);
    const char* const reason = X509_verify_cert_error_string(error);
    if (certificate == nullptr) {
        return fmt::format("the certificate of {} is refused: {}", host, reason);
    }
    const std::string subject = which(verification, certificate, host);
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return fmt::format("{} has expired on {}: it has to be renewed there", subject,
                               show(X509_get0_notAfter(certificate)));
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return fmt::format("{} is not valid before {}: is the clock of this host right?",
                               subject, show(X509_get0_notBefore(certificate)));
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            if (X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) < 0) {
                return fmt::format(
                    "the certificate of {} has no subjectAltName, only a subject ({}), which has "
                    "not counted since RFC 9110: it has to be issued again with one",
                    host, show(X509_get_subject_name(certificate)));
            }
            return fmt::format("the certificate is not for {} but for {}: see destination.base_url",
                               host, show_names(certificate));
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return fmt::format(
                "the certificate of {} is self-signed: if it is the right one, name it in "
                "destination.ca_file",
                host);
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return fmt::format(
                "the certificate of {} comes from an unknown CA, \"{}\": if it is to be trusted, "
                "name its certificate in destination.ca_file",
                host, show(X509_get_issuer_name(certificate)));
        default:
            return fmt::format("{} is refused: {}", subject, reason);
    }
}

std::optional<WallTime> expiry_of_certificate(const SSL_CTX* context) {
    const X509* const certificate = SSL_CTX_get0_certificate(context);
    std::tm parts{};
    if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) {
        return std::nullopt;
    }
    return WallTime(Seconds(::timegm(&parts)));
}

}  // namespace flowrelay::runtime
