// The files that the destination section names: certificates, keys, the proxy's password.
#pragma once

#include <memory>
#include <string>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/runtime/tls.hpp"

namespace flowrelay::app {

/// Reads the certificates and keys; null for plain http. Throws ConfigError, which names the key,
/// the file and what is wrong with it.
std::unique_ptr<runtime::TlsContext> make_tls_context(const DestinationConfig& config);

/// "user:password"; empty when none is configured. Throws ConfigError.
Secret load_proxy_credentials(const DestinationConfig& config);

/// "/etc/flowrelay/client.key has mode 0644, ..." when others can read the private key: it works,
/// but should not stay so. Empty when all is well.
std::string warn_of_exposed_key(const DestinationConfig& config);

/// Whether the section names systemd credentials that this process does not have: then its files
/// can't be checked here.
bool needs_missing_credentials(const DestinationConfig& config);

}  // namespace flowrelay::app
