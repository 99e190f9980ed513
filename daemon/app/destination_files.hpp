// Reads the files named in the destination section: certificates, keys, the proxy's password.
#pragma once

#include <memory>
#include <string>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/runtime/tls.hpp"

namespace flowrelay::app {

/// Reads the certificates and keys; returns null for plain http. Throws ConfigError, which names
/// the configuration key, the file and what is wrong with it.
std::unique_ptr<runtime::TlsContext> make_tls_context(const DestinationConfig& config);

/// Returns "user:password"; empty if none is configured. Throws ConfigError.
Secret load_proxy_credentials(const DestinationConfig& config);

/// Returns a warning if others can read the private key: "/etc/flowrelay/client.key has mode 0644,
/// ...". The key can still be used. Empty if its mode is fine.
std::string warn_of_exposed_key(const DestinationConfig& config);

/// Returns whether the section names systemd credentials that this process does not have, so that
/// its files can't be checked here.
bool needs_missing_credentials(const DestinationConfig& config);

}  // namespace flowrelay::app
