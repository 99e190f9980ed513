#include "flowrelay/base/fingerprint.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <stdexcept>

#include "system_random.hpp"

namespace flowrelay {

Salt make_salt() {
    Salt salt;
    fill_from_system(salt.data(), salt.size());
    return salt;
}

Fingerprint fingerprint(std::string_view token, const Salt& salt) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned int size = 0;
    // HMAC() takes a null message as "continue", so an empty token needs a non-null pointer too.
    const char* message = token.empty() ? "" : token.data();
    const unsigned char* done =
        HMAC(EVP_sha256(), salt.data(), static_cast<int>(salt.size()),
             reinterpret_cast<const unsigned char*>(message), token.size(), digest.data(), &size);
    Fingerprint result;
    if (done == nullptr || size < result.size()) {
        throw std::runtime_error("OpenSSL can't compute HMAC-SHA-256: check its configuration");
    }
    std::copy_n(digest.begin(), result.size(), result.begin());
    return result;
}

}  // namespace flowrelay
