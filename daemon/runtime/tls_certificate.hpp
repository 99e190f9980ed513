// Describes problems with certificates for the operator.
#pragma once

#include <openssl/x509_vfy.h>

#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

/// Returns why verification failed, with the names or dates of the certificate in question, and
/// what to do. Text from the certificate is truncated and reduced to printable ASCII.
std::string describe_objection(X509_STORE_CTX* verification, const std::string& host);

/// Returns when the client certificate in `context` expires; nothing if there is none.
std::optional<WallTime> expiry_of_certificate(const SSL_CTX* context);

}  // namespace flowrelay::runtime
