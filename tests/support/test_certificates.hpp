// Generates certificates for tests: PEM texts of an authority and of certificates it signs.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace flowrelay::test {

struct Identity {
    std::string certificate;
    std::string key;
};

class Authority {
public:
    explicit Authority(const std::string& name);
    ~Authority();

    /// The authority's own, self-signed certificate.
    const std::string& certificate() const;

    /// Issues a certificate for the subject alternative names ("DNS:localhost,IP:127.0.0.1"), valid
    /// between these times from now.
    Identity issue(const std::string& names,
                   std::chrono::seconds not_before = -std::chrono::hours(1),
                   std::chrono::seconds not_after = std::chrono::hours(1)) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// Makes a self-signed certificate. `subject`: its common name. Without `names` it has no
/// alternative names.
Identity make_self_signed(const std::string& names, const std::string& subject = "self");

/// Returns the key of an identity, encrypted with this passphrase.
std::string encrypt_key(const Identity& identity, const std::string& passphrase);

}  // namespace flowrelay::test
