// Certificates for tests, made on the spot: PEM texts of an authority and of what it signs.
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

    /// Its own certificate, which signs itself.
    const std::string& certificate() const;

    /// A certificate for the subject alternative names ("DNS:localhost,IP:127.0.0.1"), valid
    /// between these times from now.
    Identity issue(const std::string& names,
                   std::chrono::seconds not_before = -std::chrono::hours(1),
                   std::chrono::seconds not_after = std::chrono::hours(1)) const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// One that nobody else has signed. `subject`: its common name. Without `names` it has no
/// alternative names.
Identity make_self_signed(const std::string& names, const std::string& subject = "self");

/// The key of an identity, readable with this passphrase only.
std::string encrypt_key(const Identity& identity, const std::string& passphrase);

}  // namespace flowrelay::test
