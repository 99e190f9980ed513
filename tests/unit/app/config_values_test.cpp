#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {
namespace {

using ::testing::HasSubstr;

TEST(ParseSize, AcceptsBinaryUnits) {
    EXPECT_EQ(parse_size("512B"), 512U);
    EXPECT_EQ(parse_size("1KiB"), 1024U);
    EXPECT_EQ(parse_size("64MiB"), 64U << 20);
    EXPECT_EQ(parse_size("4GiB"), 4ULL << 30);
    EXPECT_EQ(parse_size("2TiB"), 2ULL << 40);
    EXPECT_EQ(parse_size("0"), 0U);
}

TEST(ParseSize, RefusesEverythingElse) {
    for (const char* text : {"", "64", "64M", "64MB", "64mib", "64 MiB", "1.5GiB", "-1B", "MiB",
                             "16777216TiB", "1KiB2B"}) {
        EXPECT_EQ(parse_size(text), std::nullopt) << text;
    }
}

TEST(ParseBaseUrl, SplitsSchemeHostPortAndPrefix) {
    const BaseUrl plain = parse_base_url("https://API.Flowdock.com").value();
    EXPECT_TRUE(plain.tls);
    EXPECT_EQ(plain.host, "api.flowdock.com");
    EXPECT_EQ(plain.port, 443);
    EXPECT_EQ(plain.authority, "api.flowdock.com");
    EXPECT_EQ(plain.path_prefix, "");

    const BaseUrl full = parse_base_url("HTTP://127.0.0.1:8080/gate/way//").value();
    EXPECT_FALSE(full.tls);
    EXPECT_EQ(full.host, "127.0.0.1");
    EXPECT_EQ(full.port, 8080);
    EXPECT_EQ(full.authority, "127.0.0.1:8080");
    EXPECT_EQ(full.path_prefix, "/gate/way");

    const BaseUrl v6 = parse_base_url("http://[::1]:80/").value();
    EXPECT_EQ(v6.host, "::1");
    EXPECT_EQ(v6.authority, "[::1]");
    EXPECT_EQ(v6.path_prefix, "");
}

TEST(ParseBaseUrl, SaysWhatIsWrong) {
    const auto message = [](const char* url) {
        const auto parsed = parse_base_url(url);
        return parsed ? std::string("nothing") : parsed.error().message;
    };
    EXPECT_THAT(message(""), HasSubstr("must begin with https://"));
    EXPECT_THAT(message("flowdock.example.com"), HasSubstr("must begin with https://"));
    EXPECT_THAT(message("ftp://host"), HasSubstr("must begin with https://"));
    EXPECT_THAT(message("https://"), HasSubstr("no valid host name"));
    EXPECT_THAT(message("https://ho st"), HasSubstr("no valid host name"));
    EXPECT_THAT(message("https://h\r\nX"), HasSubstr("no valid host name"));
    EXPECT_THAT(message("https://::1"), HasSubstr("an IPv6 address needs brackets"));
    EXPECT_THAT(message("https://[::1"), HasSubstr("an IPv6 address needs brackets"));
    EXPECT_THAT(message("https://[host]"), HasSubstr("no valid host name"));
    EXPECT_THAT(message("https://h:0"), HasSubstr("1 to 65535"));
    EXPECT_THAT(message("https://h:65536"), HasSubstr("1 to 65535"));
    EXPECT_THAT(message("https://h:"), HasSubstr("1 to 65535"));
    EXPECT_THAT(message("https://u:p@h"), HasSubstr("user or a password"));
    EXPECT_THAT(message("https://h/?a=b"), HasSubstr("query"));
    EXPECT_THAT(message("https://h/#a"), HasSubstr("fragment"));
    EXPECT_THAT(message("https://h/a b"), HasSubstr("percent-encoded"));
    EXPECT_THAT(message("https://h/\xC3\xA4"), HasSubstr("percent-encoded"));
}

TEST(IsLoopback, KnowsThisMachine) {
    EXPECT_TRUE(is_loopback("localhost"));
    EXPECT_TRUE(is_loopback("LocalHost"));
    EXPECT_TRUE(is_loopback("127.0.0.1"));
    EXPECT_TRUE(is_loopback("127.8.9.1"));
    EXPECT_TRUE(is_loopback("::1"));
    EXPECT_FALSE(is_loopback("0.0.0.0"));
    EXPECT_FALSE(is_loopback("10.0.0.1"));
    EXPECT_FALSE(is_loopback("localhost.example.com"));
    EXPECT_FALSE(is_loopback("127.0.0.1.example.com"));
}

TEST(ParseListenAddress, AcceptsLoopbackAddresses) {
    const ListenAddress v4 = parse_listen_address("127.0.0.1:8025").value();
    EXPECT_EQ(v4.host, "127.0.0.1");
    EXPECT_EQ(v4.port, 8025);
    const ListenAddress v6 = parse_listen_address("[::1]:0").value();
    EXPECT_EQ(v6.host, "::1");
    EXPECT_EQ(v6.port, 0);
}

TEST(ParseListenAddress, RefusesEverythingElse) {
    for (const char* text :
         {"", "8025", ":8025", "localhost:8025", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999",
          "::1:8025", "[127.0.0.1]:8025", "0.0.0.0:8025", "[::]:8025", "192.168.1.1:80"}) {
        EXPECT_FALSE(parse_listen_address(text)) << text;
    }
}

}  // namespace
}  // namespace flowrelay::app
