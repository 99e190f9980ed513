// The client behind a proxy that answers on its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "http_client_fixture.hpp"

namespace flowrelay::runtime {
namespace {

using core::AttemptEnd;
using Script = HttpClientTest::Script;
using ::testing::HasSubstr;

class HttpClientProxyTest : public HttpClientTest {
protected:
    HttpClientProxyTest() {
        destination_.proxy = ProxyServer{"127.0.0.1", acceptor_.local_endpoint().port(), Secret()};
        destination_.host = "api.example.com";
        destination_.port = 443;
        destination_.tls = true;
    }

    /// One request through a proxy that answers so.
    core::AttemptResult run_through(const std::string& answer) {
        TlsContext context({});
        HttpClient client(io_.get_executor(), destination_, &context, resolver_, clock_);
        std::optional<core::AttemptResult> result;
        const auto task = [&]() -> asio::awaitable<void> {
            auto attempt = co_await client.post(request_);
            result = std::move(attempt);
            io_.stop();
        };
        std::deque<Behaviour> behaviours;
        behaviours.push_back([this, answer](Script& server) -> asio::awaitable<void> {
            auto asked = co_await server.read_request();
            asked_ = std::move(asked);
            co_await server.send(answer);
        });
        io_.restart();
        spawn(io_.get_executor(), serve(std::move(behaviours)));
        spawn(io_.get_executor(), task());
        io_.run_for(std::chrono::seconds(20));
        return result.value_or(core::AttemptResult());
    }

    std::string proxy() const {
        return "the proxy 127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    }

    std::string asked_;
};

TEST_F(HttpClientProxyTest, AsksForTheHostWithoutCredentials) {
    run_through("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    EXPECT_EQ(asked_, "CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n");
}

TEST_F(HttpClientProxyTest, ShowsItsCredentials) {
    destination_.proxy->authorization = basic_authorization(Secret("user:pass word"));
    run_through("HTTP/1.1 502 Bad Gateway\r\n\r\n");
    EXPECT_THAT(asked_, HasSubstr("\r\nProxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n\r\n"));
}

TEST_F(HttpClientProxyTest, RefusalsSayWhatToDo) {
    const auto refused = run_through("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    EXPECT_EQ(refused.end, AttemptEnd::proxy_failed);
    EXPECT_EQ(refused.detail, proxy() +
                                  " wants to know who we are (407): put user:password into a file "
                                  "and name it in destination.proxy_credentials_file");
}

TEST_F(HttpClientProxyTest, WrongCredentialsAreNotRepeated) {
    destination_.proxy->authorization = basic_authorization(Secret("user:geheim"));
    const auto refused = run_through("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    EXPECT_EQ(refused.detail, proxy() +
                                  " refuses the user or the password: see "
                                  "destination.proxy_credentials_file");
}

TEST_F(HttpClientProxyTest, OtherRefusalsSayWhereTo) {
    EXPECT_EQ(run_through("HTTP/1.1 403 Forbidden\r\n\r\n").detail,
              proxy() + " does not allow connections to api.example.com:443 (403)");
}

TEST_F(HttpClientProxyTest, AFailureBehindTheProxySaysSo) {
    EXPECT_EQ(run_through("HTTP/1.0 504 Gateway Timeout\r\n\r\n").detail,
              proxy() + " could not connect to api.example.com:443: it answered 504");
}

TEST_F(HttpClientProxyTest, GarbageIsNoProxy) {
    EXPECT_EQ(run_through("220 smtp.example.com ESMTP\r\n\r\n").detail,
              proxy() + " does not answer CONNECT with HTTP: is it a proxy?");
}

TEST_F(HttpClientProxyTest, ATunnelIsOpenWhateverTheAnswerLooksLike) {
    for (const auto* answer :
         {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
          "HTTP/1.1 102 x\r\nX: y\r\n\r\nHTTP/1.0 200 Connection established\r\n\r\n",
          "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nX: y\n\r\n", "HTTP/1.1 200\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}) {
        const auto result = run_through(answer);
        EXPECT_EQ(result.end, AttemptEnd::tls_failed) << answer << result.detail;
        EXPECT_THAT(result.detail, HasSubstr("during the TLS handshake")) << answer;
    }
    EXPECT_EQ(run_through("HTTP/1.1 100 x\r\n\r\nHTTP/1.1 403 x\r\n\r\n").detail,
              proxy() + " does not allow connections to api.example.com:443 (403)");
    EXPECT_EQ(run_through("HTTP/1.1 407 x\n\n").end, AttemptEnd::proxy_failed);
}

TEST_F(HttpClientProxyTest, AnAnswerWithoutAnEndIsCutOff) {
    EXPECT_EQ(run_through("HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x')).detail,
              "the proxy's answer is too long");
}

/// A proxy that is asked for the whole URI, and passes on what the server answers.
class HttpClientPlainProxyTest : public HttpClientTest {
protected:
    HttpClientPlainProxyTest() {
        destination_.proxy = ProxyServer{"127.0.0.1", acceptor_.local_endpoint().port(), Secret()};
        destination_.host = "api.example.com";
    }

    /// What the client makes of these answers, one after the other on one connection.
    std::vector<core::AttemptResult> ask(std::vector<std::string> answers) {
        HttpClient client(io_.get_executor(), destination_, nullptr, resolver_, clock_);
        std::vector<core::AttemptResult> results;
        const auto task = [&]() -> asio::awaitable<void> {
            for (std::size_t i = 0; i < answers.size(); ++i) {
                auto attempt = co_await client.post(request_);
                results.push_back(std::move(attempt));
            }
            io_.stop();
        };
        std::deque<Behaviour> behaviours;
        behaviours.push_back([&](Script& server) { return answer_in_turn(server, answers); });
        io_.restart();
        spawn(io_.get_executor(), serve(std::move(behaviours)));
        spawn(io_.get_executor(), task());
        io_.run_for(std::chrono::seconds(20));
        results.resize(answers.size());
        return results;
    }

    static std::string answer(int status, std::string_view fields = "") {
        return "HTTP/1.1 " + std::to_string(status) + " x\r\n" + std::string(fields) +
               "Content-Length: 0\r\n\r\n";
    }
};

TEST_F(HttpClientPlainProxyTest, ItsWordIsNotTheServers) {
    const auto result = ask({answer(407)}).front();
    EXPECT_EQ(result.end, AttemptEnd::proxy_failed);
    EXPECT_THAT(result.detail, HasSubstr("destination.proxy_credentials_file"));
    EXPECT_TRUE(result.proxy_refused);
}

TEST_F(HttpClientPlainProxyTest, NoRefusalOfItsOwnIsTheServers) {
    for (const int status : {400, 401, 402, 403, 404, 405, 410, 421, 451, 501, 511}) {
        const auto result = ask({answer(status)}).front();
        EXPECT_EQ(result.end, AttemptEnd::proxy_failed) << status;
        EXPECT_TRUE(result.proxy_refused) << status;
        EXPECT_THAT(result.detail, HasSubstr(std::to_string(status)));
        EXPECT_EQ(ask({answer(status, "Via: 1.1 p\r\n")}).front().status, status);
    }
    for (const int status : {413, 500, 502, 503, 504}) {
        EXPECT_EQ(ask({answer(status)}).front().status, status);
    }
}

TEST_F(HttpClientPlainProxyTest, ItsLimitIsNotTheTokens) {
    const auto result = ask({answer(429, "Retry-After: 7\r\n")}).front();
    EXPECT_EQ(result.end, AttemptEnd::proxy_failed);
    EXPECT_FALSE(result.proxy_refused);
    EXPECT_EQ(result.retry_after, Seconds(7));
    EXPECT_THAT(result.detail, HasSubstr("wants fewer requests (429)"));
}

TEST_F(HttpClientPlainProxyTest, A403IsToldFromThatOfTheServer) {
    const std::string own = answer(403);
    const std::string passed_on = answer(403, "Via: 1.1 p\r\n");
    const std::string good = answer(202, "Via: 1.1 p\r\n");
    const auto results = ask({own, passed_on, good, own, accepted, own});
    EXPECT_TRUE(results[0].proxy_refused);
    EXPECT_THAT(results[0].detail, HasSubstr("does not allow connections to api.example.com"));
    EXPECT_EQ(results[1].status, 403);
    EXPECT_FALSE(results[1].proxy_refused);
    EXPECT_TRUE(results[3].proxy_refused);
    EXPECT_EQ(results[5].status, 403) << "this one does not mark what it passes on";
}

struct MarkedError {
    std::string_view fields;
    bool own;
};

// What squid, tinyproxy and others put into answers that they make, and into those they pass on.
TEST_F(HttpClientPlainProxyTest, MarksOfItsOwnErrorsCountMoreThanVia) {
    for (const auto& [fields, own] : {
             MarkedError{"Server: squid/5.7\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n"
                         "Via: 1.1 gate (squid/5.7)\r\n",
                         true},
             MarkedError{"Server: squid/6\r\nVia: 1.1 a (x), 1.1 gate (Squid)\r\n", true},
             MarkedError{"Server: tinyproxy/1.11.1\r\nVia: 1.1 t (tinyproxy/1.11.1)\r\n", true},
             MarkedError{"Proxy-Status: gate; Error=http_request_denied\r\nVia: 1.1 p\r\n", true},
             MarkedError{"Proxy-Authenticate: Basic realm=x\r\nVia: 1.1 p\r\n", true},
             MarkedError{"Proxy-Status: a, gate ;\terror=x\r\nVia: 1.1 p\r\n", true},
             MarkedError{"Proxy-Status: a\r\nVia: 1.1 p\r\nProxy-Status: b; error=x\r\n", true},
             MarkedError{"Proxy-Status: gate; received-status=410\r\nVia: 1.1 p\r\n", false},
             MarkedError{"Proxy-Status: gate; details=\"x; error=\\\"y\"\r\nVia: 1.1 p\r\n", false},
             MarkedError{"Proxy-Status: gate; no-error=x\r\nVia: 1.1 p\r\n", false},
             MarkedError{"Proxy-Status: error=x\r\nVia: 1.1 p\r\n", false},
             MarkedError{"Server: nginx\r\nVia: 1.1 gate (squid/5.7)\r\n", false},
             MarkedError{"Server: squid\r\nVia: 1.1 gate (squid), 1.1 b (other)\r\n", false},
             MarkedError{"Server:\r\nVia: 1.1 gate ()\r\n", false},
         }) {
        const auto result = ask({answer(410, fields)}).front();
        EXPECT_EQ(result.proxy_refused, own) << fields;
        EXPECT_EQ(result.status, own ? 0 : 410) << fields;
    }
}

}  // namespace
}  // namespace flowrelay::runtime
