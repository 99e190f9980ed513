#include "flowrelay/base/fingerprint.hpp"

#include <gtest/gtest.h>

namespace flowrelay {
namespace {

std::string hex(const Fingerprint& print) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const std::uint8_t byte : print) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

// printf %s TOKEN | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102030405060708090a0b0c0d0e0f
constexpr Salt counting{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

TEST(Fingerprint, IsTheFirstHalfOfHmacSha256) {
    EXPECT_EQ(hex(fingerprint("deadbeefdeadbeef", counting)), "270bf3e1c281967cb990b91d115a17ee");
}
TEST(Fingerprint, OfAnEmptyTokenIsDefined) {
    EXPECT_EQ(hex(fingerprint({}, counting)), "07eff8b326b7798c9ccfcbdbe579489a");
}
TEST(Fingerprint, DependsOnTheSalt) {
    EXPECT_NE(fingerprint("token", counting), fingerprint("token", Salt{}));
}
TEST(Fingerprint, DependsOnTheToken) {
    EXPECT_NE(fingerprint("token", counting), fingerprint("tokem", counting));
}
TEST(Salt, IsNewEachTime) {
    EXPECT_NE(make_salt(), make_salt());
}

}  // namespace
}  // namespace flowrelay
