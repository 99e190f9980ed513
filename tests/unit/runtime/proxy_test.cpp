#include <gtest/gtest.h>

#include <map>
#include <string>

#include "flowrelay/runtime/destination.hpp"

namespace flowrelay::runtime {
namespace {

using Variables = std::map<std::string, std::string>;

/// "host:port" of the proxy that is chosen, "" for none, "error: ..." otherwise.
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
    if (!*proxy) return "";
    return (*proxy)->host + ":" + std::to_string((*proxy)->port);
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
