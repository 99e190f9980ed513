#include "support/test_certificates.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace flowrelay::test {

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Memory = std::unique_ptr<BIO, decltype(&BIO_free)>;

void check(bool fine) {
    if (!fine) throw std::logic_error("OpenSSL does not make the test's certificates");
}

Memory make_memory() {
    return {BIO_new(BIO_s_mem()), &BIO_free};
}

std::string text_of(BIO* memory) {
    const char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    return {data, static_cast<std::size_t>(size)};
}

std::string pem(X509* certificate) {
    const Memory memory = make_memory();
    check(PEM_write_bio_X509(memory.get(), certificate) == 1);
    return text_of(memory.get());
}

std::string pem(EVP_PKEY* key) {
    const Memory memory = make_memory();
    check(PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) ==
          1);
    return text_of(memory.get());
}

Key make_key() {
    return {EVP_EC_gen("P-256"), &EVP_PKEY_free};
}

void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
    check(extension != nullptr);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

Certificate make_certificate(EVP_PKEY* key, const std::string& name, std::chrono::seconds from,
                             std::chrono::seconds until) {
    static long serial = 0;
    Certificate certificate(X509_new(), &X509_free);
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from.count());
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until.count());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_pubkey(certificate.get(), key);
    return certificate;
}

}  // namespace

struct Authority::Impl {
    Key key = make_key();
    Certificate certificate{nullptr, &X509_free};
    std::string text;
};

Authority::Authority(const std::string& name) : impl_(std::make_unique<Impl>()) {
    constexpr auto day = std::chrono::hours(24);
    impl_->certificate = make_certificate(impl_->key.get(), name, -2 * day, 2 * day);
    X509* const own = impl_->certificate.get();
    X509_set_issuer_name(own, X509_get_subject_name(own));
    add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(own, own, NID_key_usage, "critical,keyCertSign");
    check(X509_sign(own, impl_->key.get(), EVP_sha256()) > 0);
    impl_->text = pem(own);
}

Authority::~Authority() = default;

const std::string& Authority::certificate() const {
    return impl_->text;
}

Identity Authority::issue(const std::string& names, std::chrono::seconds not_before,
                          std::chrono::seconds not_after) const {
    const Key key = make_key();
    const Certificate certificate = make_certificate(key.get(), "leaf", not_before, not_after);
    X509* const issuer = impl_->certificate.get();
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer));
    add_extension(certificate.get(), issuer, NID_subject_alt_name, names);
    check(X509_sign(certificate.get(), impl_->key.get(), EVP_sha256()) > 0);
    return {pem(certificate.get()), pem(key.get())};
}

Identity make_self_signed(const std::string& names, const std::string& subject) {
    const Key key = make_key();
    constexpr auto hour = std::chrono::hours(1);
    const Certificate certificate = make_certificate(key.get(), subject, -hour, hour);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
    if (!names.empty()) {
        add_extension(certificate.get(), certificate.get(), NID_subject_alt_name, names);
    }
    check(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
    return {pem(certificate.get()), pem(key.get())};
}

std::string encrypt_key(const Identity& identity, const std::string& passphrase) {
    const Memory in(BIO_new_mem_buf(identity.key.data(), static_cast<int>(identity.key.size())),
                    &BIO_free);
    const Key key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
    check(key != nullptr);
    const Memory out = make_memory();
    check(PEM_write_bio_PKCS8PrivateKey(out.get(), key.get(), EVP_aes_256_cbc(), passphrase.data(),
                                        static_cast<int>(passphrase.size()), nullptr,
                                        nullptr) == 1);
    return text_of(out.get());
}

}  // namespace flowrelay::test
