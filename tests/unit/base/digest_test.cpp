#include "flowrelay/base/digest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace flowrelay {
namespace {

std::string base64url_of(std::string_view text) {
    return base64url({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

TEST(Digest, Base64UrlIsThatOfTheRfc) {
    // RFC 4648, section 10, without the padding.
    const std::pair<const char*, const char*> vectors[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},         {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}};
    for (const auto& [text, encoded] : vectors) EXPECT_EQ(base64url_of(text), encoded);
    EXPECT_EQ(base64url_of("\xFB\xFF\xFE"), "-__-");
}

TEST(Digest, Sha256IsThatOfTheStandard) {
    // RFC 7636, appendix B.
    EXPECT_EQ(base64url(sha256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
              "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    EXPECT_EQ(base64url(sha256("")), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
}

}  // namespace
}  // namespace flowrelay
