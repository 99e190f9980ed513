// What is wrong with a certificate, in words for the operator.
#pragma once

#include <openssl/x509_vfy.h>

#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "flowrelay/base/time.hpp"

namespace flowrelay::runtime {

/// Why verification stopped: the reason with the names or dates of the certificate it is about, and
/// what to do. What the certificate says is cut and freed from anything but printable ASCII.
std::string describe_objection(X509_STORE_CTX* verification, const std::string& host);

/// When the certificate that `context` shows expires; nothing without one.
std::optional<WallTime> expiry_of_certificate(const SSL_CTX* context);

}  // namespace flowrelay::runtime
