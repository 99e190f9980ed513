#include <gtest/gtest.h>

#include <map>
#include <string>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/runtime/destination.hpp"

namespace flowrelay::runtime {
namespace {

using Variables = std::map<std::string, std::string>;

/// Returns "host:port" of the chosen proxy, "" for none, or "error: ...".
std::string chosen(std::string_view configured, const std::string& host, bool tls,
                   const Variables& variables = {}) {
    Destination destination;
    destination.host = host;
    destination.tls = tls;
    const auto proxy = choose_proxy(configured, destination, [&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::string() : found->second;
    });
    if (proxy.has_error()) return "error: " + proxy.error().message;
    if (!proxy->proxy) return "";
    return proxy->proxy->host + ":" + std::to_string(proxy->proxy->port);
}

TEST(Proxy, NoneUnlessSomebodySaysSo) {
    EXPECT_EQ(chosen("", "api.example.com", true), "");
}

TEST(Proxy, TheConfigurationDecides) {
    const Variables variables{{"https_proxy", "http://other:1"}};
    EXPECT_EQ(chosen("http://proxy:3128", "api.example.com", true, variables), "proxy:3128");
    EXPECT_EQ(chosen("none", "api.example.com", true, variables), "");
    EXPECT_EQ(chosen("http://[::1]:3128/", "api.example.com", true), "::1:3128");
    EXPECT_EQ(chosen("http://proxy", "api.example.com", true), "proxy:80");
}

TEST(Proxy, TheEnvironmentDecidesByTheSchemeOfTheDestination) {
    const Variables variables{{"https_proxy", "http://secure:1"}, {"http_proxy", "plain:2"}};
    EXPECT_EQ(chosen("", "api.example.com", true, variables), "secure:1");
    EXPECT_EQ(chosen("", "api.example.com", false, variables), "plain:2");
}

TEST(Proxy, CapitalsCountForHttpsOnly) {
    EXPECT_EQ(chosen("", "api.example.com", true, {{"HTTPS_PROXY", "http://p:1"}}), "p:1");
    EXPECT_EQ(chosen("", "api.example.com", false, {{"HTTP_PROXY", "http://p:1"}}), "");
}

TEST(Proxy, NoProxyNamesHostsAndDomains) {
    const auto excepted = [](const std::string& list, const std::string& host) {
        return chosen("", host, true, {{"https_proxy", "http://p:1"}, {"no_proxy", list}}).empty();
    };
    EXPECT_TRUE(excepted("api.example.com", "api.example.com"));
    EXPECT_TRUE(excepted("example.com", "api.example.com"));
    EXPECT_TRUE(excepted(".example.com", "api.example.com"));
    EXPECT_TRUE(excepted("*.example.com", "api.example.com"));
    EXPECT_TRUE(excepted("a, EXAMPLE.com", "api.example.com"));
    EXPECT_TRUE(excepted("*", "api.example.com"));
    EXPECT_TRUE(excepted("192.0.2.1", "192.0.2.1"));
    EXPECT_FALSE(excepted("ample.com", "api.example.com"));
    EXPECT_FALSE(excepted("api.example.com.org", "api.example.com"));
    EXPECT_FALSE(excepted("", "api.example.com"));
}

/// Returns the effect of a list of exceptions on a destination: "direct" or "proxy", and the
/// entries that can't match.
std::string with_exceptions(const std::string& list, const std::string& host,
                            std::uint16_t port = 443) {
    Destination destination;
    destination.host = host;
    destination.port = port;
    const Variables variables{{"HTTPS_PROXY", "http://p:1"}, {"NO_PROXY", list}};
    const auto route = choose_proxy("", destination, [&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::string() : found->second;
    });
    EXPECT_EQ(route->from, "https_proxy");
    EXPECT_EQ(route->why_not.empty(), route->proxy.has_value());
    std::string result = route->proxy ? "proxy" : "direct";
    for (const auto& entry : route->unusable) result += " " + entry;
    return result;
}

TEST(Proxy, NoProxyTakesTheFormsOfCurlAndGo) {
    for (const auto* list : {"10.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "x,\t10.0.0.0/8",
                             "10.1.2.3:443", "10.1.2.3", "::ffff:10.1.2.3"}) {
        EXPECT_EQ(with_exceptions(list, "10.1.2.3"), "direct") << list;
    }
    for (const auto* list :
         {"10.2.0.0/16", "10.1.2.3:444", "10.1.2.4", "2001:db8::/32", "api.example.com", "x-3"}) {
        EXPECT_EQ(with_exceptions(list, "10.1.2.3"), "proxy") << list;
    }
    for (const auto* list : {"2001:db8::/32", "[2001:db8::]/32", "2001:DB8::1", "[2001:db8::1]",
                             "[2001:db8:0::1]:443", "::/0"}) {
        EXPECT_EQ(with_exceptions(list, "2001:db8::1"), "direct") << list;
    }
    for (const auto* list : {"2001:db9::/32", "[2001:db8::1]:80", "10.0.0.0/8", "::1"}) {
        EXPECT_EQ(with_exceptions(list, "2001:db8::1"), "proxy") << list;
    }
    for (const auto* list : {"example.com:443", ".example.com", "example.com.", "*.example.com:443",
                             "API.Example.COM", "..,api.example.com"}) {
        EXPECT_TRUE(with_exceptions(list, "api.example.com").starts_with("direct")) << list;
        EXPECT_TRUE(with_exceptions(list, "api.example.com.").starts_with("direct")) << list;
    }
    EXPECT_EQ(with_exceptions("example.com:80", "api.example.com"), "proxy");
    EXPECT_EQ(with_exceptions("example.com:8443", "example.com", 8443), "direct");
}

TEST(Proxy, NoProxyTellsWhatCannotMatch) {
    for (const auto* entry : {"http://api.example.com",
                              "10.0.0.0/33",
                              "10.0.0/8",
                              "example.com:0",
                              "example.com:http",
                              "*example.com",
                              "api.*.com",
                              "[::1",
                              "[::1]x",
                              "[example.com]",
                              "a;b",
                              ".",
                              "2001:db8::/129",
                              "10.0.0.0/8:443",
                              "192.0.2.",
                              "192.0.2",
                              "192.0.2.0-192.0.2.255",
                              "192.0.2.007",
                              ".7",
                              "7",
                              "*.7",
                              "2.7:443",
                              "192.0.2.256",
                              "0xC0.0.2.7"}) {
        const std::string told = ascii::lower(entry);
        EXPECT_EQ(with_exceptions(entry, "api.example.com"), "proxy " + told);
        EXPECT_EQ(with_exceptions(entry, "192.0.2.7"), "proxy " + told);
        EXPECT_EQ(with_exceptions(std::string(entry) + ",*", "api.example.com"), "direct " + told);
    }
    for (const auto* entry : {"x7", "7.example.com", "3com.com", "a-7", "x.0x7", "h.7x"}) {
        EXPECT_EQ(with_exceptions(entry, "api.example.com"), "proxy") << "a name";
    }
}

TEST(Proxy, ThisHostNeedsNoneOfTheEnvironment) {
    for (const auto* host : {"localhost", "127.0.0.1", "::1"}) {
        EXPECT_EQ(chosen("", host, false, {{"http_proxy", "http://p:1"}}), "") << host;
    }
}

TEST(Proxy, AMistakeIsAnErrorThatDoesNotRepeatAPassword) {
    for (const auto* url : {"https://p:1", "http://user:s3cret@p:1", "http://p:0", "http://p:x",
                            "http://", "http://p:1/path", "http://[::1"}) {
        const auto error = chosen(url, "api.example.com", true);
        EXPECT_TRUE(error.starts_with("error: destination.proxy")) << url << ": " << error;
        EXPECT_EQ(error.find("s3cret"), std::string::npos);
    }
}

TEST(Proxy, CredentialsInAnUrlAreSentToTheirFile) {
    const auto error = chosen("", "api.example.com", true, {{"https_proxy", "http://u:geheim@p"}});
    EXPECT_EQ(error,
              "error: the environment's https_proxy must not have a user and a password in it: put "
              "user:password into a file and name it in destination.proxy_credentials_file");
}

TEST(Proxy, CredentialsBecomeAFieldOfTheRequest) {  // RFC 7617, section 2
    EXPECT_EQ(basic_authorization(Secret("Aladdin:open sesame")).reveal(),
              "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    EXPECT_EQ(basic_authorization(Secret("a:bc")).reveal(), "Basic YTpiYw==");
}

}  // namespace
}  // namespace flowrelay::runtime
