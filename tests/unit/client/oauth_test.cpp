#include "flowrelay/client/oauth.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace flowrelay::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Kind = Grant::Kind;

constexpr const char* oob = "urn:ietf:wg:oauth:2.0:oob";

AuthorizationRequest request(const std::string& redirect_uri = "http://127.0.0.1:8976/callback") {
    return {"https://api.example.com/oauth/authorize",
            "client 4",
            redirect_uri,
            "flow integration",
            "st4te",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"};
}

TEST(OAuth, ShowsTheChallengeButNeverTheVerifierInTheAddress) {
    const std::string url = authorization_url(request());
    EXPECT_EQ(url,
              "https://api.example.com/oauth/authorize?response_type=code&client_id=client%204"
              "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8976%2Fcallback&scope=flow%20integration"
              "&state=st4te&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
              "&code_challenge_method=S256");
    EXPECT_THAT(url, Not(HasSubstr(request().verifier)));
}

TEST(OAuth, MakesLongAndDifferentRandomWords) {
    std::set<std::string> seen;
    for (int i = 0; i < 100; ++i) {
        const std::string word = random_word(32);
        EXPECT_EQ(word.size(), 43U);  // the minimum of RFC 7636
        EXPECT_EQ(word.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                         "0123456789-_"),
                  word.npos);
        seen.insert(word);
    }
    EXPECT_EQ(seen.size(), 100U);
}

TEST(OAuth, AcceptsOnlyACallbackWithTheState) {
    const auto kind = [](std::string_view query) { return read_callback(query, request()).kind; };
    EXPECT_EQ(kind("code=abc&state=st4te"), Kind::code);
    EXPECT_EQ(read_callback("state=st4te&code=a%2Fb", request()).text, "a/b");
    for (const char* query :
         {"", "code=abc", "code=abc&state=", "code=abc&state=st4t", "code=abc&state=st4tex",
          "code=abc&state=ST4TE", "code=abc&state=x&state=st4te", "error=access_denied",
          "state=st4te", "state=st4te&code=", "state=st4te&code=a%20b", "state=st4te&code=a%0Ab"}) {
        EXPECT_EQ(kind(query), Kind::foreign) << query;
    }
}

TEST(OAuth, ReportsAnErrorOfTheServerSafelyForPrinting) {
    const Grant denied = read_callback(
        "error=access_denied&error_description=The+user+said%1B%5B2J+no&state=st4te", request());
    EXPECT_EQ(denied.kind, Kind::refused);
    EXPECT_THAT(denied.text, HasSubstr("access_denied (The user said"));
    EXPECT_THAT(denied.text, Not(HasSubstr("\x1B")));
    EXPECT_LT(read_callback("state=st4te&error=" + std::string(9000, 'x'), request()).text.size(),
              600U);
}

TEST(OAuth, RequiresTheIssuerToBeTheServerThatWasAsked) {
    for (const char* issuer : {"https%3A%2F%2Fapi.example.com", "https%3A%2F%2FAPI.example.com%2F",
                               "https%3A%2F%2Fapi.example.com%2Foauth"}) {
        EXPECT_EQ(read_callback("code=a&state=st4te&iss=" + std::string(issuer), request()).kind,
                  Kind::code)
            << issuer;
    }
    for (const char* issuer :
         {"https%3A%2F%2Fevil.example.com", "http%3A%2F%2Fapi.example.com",
          "https%3A%2F%2Fapi.example.com.evil.com", "https%3A%2F%2Fapi.example.com%3A444", "x"}) {
        const Grant grant =
            read_callback("code=a&state=st4te&iss=" + std::string(issuer), request());
        EXPECT_EQ(grant.kind, Kind::refused) << issuer;
    }
}

TEST(OAuth, AcceptsAPastedCodeOrAddress) {
    const auto pasted = [](const std::string& text, const char* redirect_uri) {
        const Grant grant = read_pasted(text, request(redirect_uri));
        return grant.kind == Kind::code ? grant.text : "not: " + grant.text;
    };
    constexpr const char* listening = "http://127.0.0.1:8976/callback";
    for (const char* uri : {oob, listening}) {
        EXPECT_EQ(pasted("abc123", uri), "abc123");
        EXPECT_EQ(pasted(" \tabc123 \r", uri), "abc123");
        EXPECT_EQ(pasted("http://127.0.0.1:8976/callback?code=abc&state=st4te#top", uri), "abc");
        EXPECT_EQ(pasted("127.0.0.1:8976/callback?state=st4te&code=abc", uri), "abc");
        EXPECT_THAT(pasted("http://x/callback?code=abc&state=other", uri), HasSubstr("another"));
        EXPECT_THAT(pasted("http://x/callback", uri), HasSubstr("no code"));
        EXPECT_THAT(pasted("abc 123", uri), HasSubstr("no spaces"));
        EXPECT_THAT(pasted(std::string(5000, 'a'), uri), HasSubstr("not: "));
    }
    // The page that shows a code has no state in its address.
    EXPECT_EQ(pasted("https://api.example.com/oauth/authorize/native?code=abc", oob), "abc");
    EXPECT_THAT(pasted("http://127.0.0.1:8976/callback?code=abc", listening),
                HasSubstr("has no state"));
    EXPECT_EQ(read_pasted("http://x/?error=access_denied&state=st4te", request()).kind,
              Kind::refused);
}

TEST(OAuth, PutsTheVerifierAndAnExistingSecretIntoATokenRequest) {
    const std::string body = token_request(request(), "c/d", Secret("s&cret"));
    EXPECT_EQ(body,
              "grant_type=authorization_code&code=c%2Fd"
              "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8976%2Fcallback&client_id=client%204"
              "&code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk&client_secret=s%26cret");
    EXPECT_THAT(token_request(request(), "c", Secret()), Not(HasSubstr("client_secret")));
    EXPECT_EQ(revocation_request("4", Secret("s"), Secret("t+k")),
              "token=t%2Bk&token_type_hint=access_token&client_id=4&client_secret=s");
}

TEST(OAuth, ReadsAnAccessGrantAsJsonOrFormWithScopesByCommasOrSpaces) {
    for (const char* body :
         {R"({"access_token":"t0ken","token_type":"bearer","scope":"flow,integration"})",
          R"( {"scope":"flow integration","access_token":"t0ken","expires_in":7200})",
          "access_token=t0ken&scope=flow%2Cintegration&token_type=Bearer",
          "scope=flow+integration&access_token=t0ken"}) {
        const auto grant = read_access_grant(body, "asked");
        ASSERT_TRUE(grant) << body;
        EXPECT_EQ(grant->access_token.reveal(), "t0ken");
        EXPECT_THAT(grant->scopes, ElementsAre("flow", "integration")) << body;
        EXPECT_FALSE(grant->has_refresh_token);
    }
    const auto silent = read_access_grant(R"({"access_token":"t","refresh_token":"r"})", "a b");
    EXPECT_THAT(silent->scopes, ElementsAre("a", "b"));
    EXPECT_TRUE(silent->has_refresh_token);
}

TEST(OAuth, RefusesAnInvalidAccessGrantWithoutRepeatingTheToken) {
    for (const char* body :
         {"", "{}", "[]", "{", R"({"access_token":17})", R"({"access_token":""})",
          "<html>Log in</html>", R"({"access_token":"a b"})", R"({"access_token":"a\r\nHost: x"})",
          R"({"access_token":"s3cret","token_type":"mac s3cret"})"}) {
        const auto grant = read_access_grant(body, "a");
        ASSERT_FALSE(grant) << body;
        EXPECT_THAT(grant.error().message, Not(HasSubstr("s3cret"))) << body;
    }
}

TEST(OAuth, ExplainsARefusalWithoutRepeatingSecrets) {
    const std::pair<const char*, const char*> cases[] = {
        {"invalid_client", "connect.client_secret_file"},
        {"invalid_grant", "mistyped, expired or was used before"},
        {"unauthorized_client", "may not use authorization codes"},
        {"unsupported_grant_type", "may not use authorization codes"},
        {"invalid_scope", "connect.scopes"},
        {"invalid_request", "connect.token_url"},
        {"something_new", "something_new"}};
    for (const auto& [code, words] : cases) {
        const std::string json = R"({"error":")" + std::string(code) +
                                 R"(","error_description":"bad s3cret and c0de, s3cret"})";
        const auto refusal = read_token_refusal(400, json, {Secret("s3cret"), Secret("c0de")});
        EXPECT_EQ(refusal.code, code);
        EXPECT_EQ(refusal.wrong_code, refusal.code == "invalid_grant");
        EXPECT_THAT(refusal.text, HasSubstr(words));
        EXPECT_THAT(refusal.text, HasSubstr("bad [secret] and [secret], [secret]"));
        const auto form = read_token_refusal(401, "error=" + std::string(code), {});
        EXPECT_EQ(form.code, code);
    }
    for (const char* body : {"", "<html>", "{}", R"({"error":{}})", R"({"message":"no"})"}) {
        const auto refusal = read_token_refusal(502, body, {});
        EXPECT_EQ(refusal.text, "HTTP 502; is connect.token_url right?") << body;
        EXPECT_FALSE(refusal.wrong_code);
    }
}

TEST(OAuth, RequiresEveryScopeButTheProfile) {
    EXPECT_EQ(missing_scopes("flow integration profile", {"integration", "flow"}), "");
    EXPECT_EQ(missing_scopes("flow integration profile", {"flow", "private"}), "integration");
    EXPECT_EQ(missing_scopes("flow integration", {}), "flow, integration");
}

}  // namespace
}  // namespace flowrelay::client
