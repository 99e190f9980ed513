// The client with various TLS servers, over real sockets.
#include "flowrelay/runtime/tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "flowrelay/runtime/http_client.hpp"
#include "flowrelay/runtime/spawn.hpp"
#include "support/temporary_directory.hpp"
#include "support/test_certificates.hpp"

namespace flowrelay::runtime {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using core::AttemptEnd;
using core::AttemptResult;
using test::Authority;
using test::Identity;
using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string request = "POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";

class TlsTest : public testing::Test {
protected:
    TlsTest() {
        destination_.host = "localhost";
        destination_.port = acceptor_.local_endpoint().port();
        destination_.connect_timeout = Seconds(10);
        destination_.request_timeout = Seconds(10);
    }

    std::string write(const std::string& name, const std::string& text) {
        const std::string path = directory_.file(name);
        std::ofstream(path) << text;
        return path;
    }

    TlsFiles trusting(const Authority& authority) {
        return {write("ca.pem", authority.certificate()), "", ""};
    }

    /// Starts a server that answers one request per connection and then closes it.
    void be_server(const Identity& identity, int version = 0) {
        server_.use_certificate_chain(asio::buffer(identity.certificate));
        server_.use_private_key(asio::buffer(identity.key), ssl::context::pem);
        if (version != 0) {
            SSL_CTX_set_min_proto_version(server_.native_handle(), version);
            SSL_CTX_set_max_proto_version(server_.native_handle(), version);
        }
        const unsigned char id[] = "test";
        SSL_CTX_set_session_id_context(server_.native_handle(), id, sizeof id);
    }

    // g++ 12 warns of a mismatched delete where it inlines a coroutine's start.
    [[gnu::noinline]] asio::awaitable<void> serve() {
        while (true) {
            tcp::socket socket(io_);
            const auto [error] =
                co_await acceptor_.async_accept(socket, asio::as_tuple(asio::deferred));
            if (error) co_return;
            TlsStream stream(socket, server_);
            const auto [refused] =
                co_await stream.async_handshake(TlsStream::server, asio::as_tuple(asio::deferred));
            if (refused) continue;
            resumed_.push_back(is_resumed(stream));
            std::string input(4096, '\0');
            const auto [read_error, size] = co_await stream.async_read_some(
                asio::buffer(input), asio::as_tuple(asio::deferred));
            if (read_error) continue;
            if (!answers_.empty()) {
                for (const auto& each : std::exchange(answers_, {})) {
                    co_await asio::async_write(stream, asio::buffer(each),
                                               asio::as_tuple(asio::deferred));
                }
                const auto [end, more] = co_await stream.async_read_some(
                    asio::buffer(input), asio::as_tuple(asio::deferred));
                if (end) continue;
            }
            const std::string answer =
                "HTTP/1.1 202 Accepted\r\nConnection: close\r\n"
                "Content-Length: 0\r\n\r\n";
            co_await asio::async_write(stream, asio::buffer(answer),
                                       asio::as_tuple(asio::deferred));
            co_await stream.async_shutdown(asio::as_tuple(asio::deferred));
        }
    }

    asio::awaitable<void> post(HttpClient& client, int times) {
        for (int i = 0; i < times; ++i) {
            auto result = co_await client.post(request);
            results_.push_back(std::move(result));
        }
        io_.stop();
    }

    /// Posts to the server `times` times with these files; returns the last result.
    AttemptResult run(const TlsFiles& files, int times = 1) {
        context_.emplace(files);
        HttpClient client(io_.get_executor(), destination_, &*context_, resolver_, clock_);
        results_.clear();
        io_.restart();
        if (!serving_) spawn(io_.get_executor(), serve());
        serving_ = true;
        spawn(io_.get_executor(), post(client, times));
        io_.run_for(std::chrono::seconds(30));
        EXPECT_EQ(results_.size(), static_cast<std::size_t>(times)) << "it hangs";
        return results_.empty() ? AttemptResult() : results_.back();
    }

    std::string problem_of(const TlsFiles& files) {
        try {
            TlsContext context(files);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "";
    }

    test::TemporaryDirectory directory_;
    asio::io_context io_{1};
    tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    ssl::context server_{ssl::context::tls_server};
    std::optional<TlsContext> context_;
    SystemClock clock_;
    Resolver resolver_{io_.get_executor(),
                       [this](const std::string&, std::uint16_t port, LookUpDone done) {
                           const tcp::endpoint here(asio::ip::address_v4::loopback(), port);
                           asio::post(io_, [here, done] { done({}, {here}); });
                       },
                       NameTimes()};
    Destination destination_;
    Authority authority_{"Good CA"};
    std::vector<AttemptResult> results_;
    /// Answers to the first request, each in a separate TLS record; the connection stays open.
    std::vector<std::string> answers_;
    std::vector<bool> resumed_;
    bool serving_ = false;
};

TEST_F(TlsTest, AnAnswerThatNobodyAskedForIsNotTheNextOne) {
    be_server(authority_.issue("DNS:localhost"));
    answers_ = {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"};
    const auto result = run(trusting(authority_), 2);
    EXPECT_EQ(results_.front().status, 202);
    EXPECT_EQ(result.status, 202);
    EXPECT_EQ(resumed_.size(), 2U) << "connections";
}

class TlsVersionTest : public TlsTest, public testing::WithParamInterface<int> {};

TEST_P(TlsVersionTest, TheSecondConnectionResumesTheSessionOfTheFirst) {
    be_server(authority_.issue("DNS:localhost"), GetParam());
    EXPECT_EQ(run(trusting(authority_), 4).status, 202);
    EXPECT_EQ(resumed_, (std::vector<bool>{false, true, true, true}));
}

TEST_P(TlsVersionTest, AServerThatHasForgottenItsSessionsIsAnsweredAllTheSame) {
    be_server(authority_.issue("DNS:localhost"), GetParam());
    SSL_CTX_set_session_cache_mode(server_.native_handle(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(server_.native_handle(), SSL_OP_NO_TICKET);
    EXPECT_EQ(run(trusting(authority_), 3).status, 202);
    EXPECT_EQ(resumed_.size(), 3U);
}

TEST_P(TlsVersionTest, ACertificateIsShownToAServerThatAsks) {
    be_server(authority_.issue("DNS:localhost"), GetParam());
    server_.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    server_.add_certificate_authority(asio::buffer(authority_.certificate()));
    const auto mine = authority_.issue("DNS:client");
    TlsFiles files = trusting(authority_);
    files.certificate = write("client.pem", mine.certificate);
    files.key = write("client.key", mine.key);
    EXPECT_EQ(run(files, 2).status, 202);
    files.certificate = write("both.pem", mine.key + mine.certificate);
    files.key = "";
    EXPECT_EQ(run(files, 2).status, 202);
}

TEST_P(TlsVersionTest, AServerThatAsksInVainIsAFailedConnection) {
    be_server(authority_.issue("DNS:localhost"), GetParam());
    server_.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    const auto result = run(trusting(authority_));
    EXPECT_EQ(result.end, AttemptEnd::tls_failed);
    EXPECT_THAT(result.detail, HasSubstr("destination.client_certificate"));
}

TEST_P(TlsVersionTest, ACertificateThatTheServerDoesNotKnowIsAFailedConnection) {
    be_server(authority_.issue("DNS:localhost"), GetParam());
    server_.set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
    const Authority stranger("Stranger");
    const auto mine = stranger.issue("DNS:client");
    TlsFiles files = trusting(authority_);
    files.certificate = write("client.pem", mine.certificate);
    files.key = write("client.key", mine.key);
    const auto result = run(files);
    EXPECT_EQ(result.end, AttemptEnd::tls_failed);
    EXPECT_EQ(result.detail,
              "localhost refuses the certificate in destination.client_certificate: its CA is not "
              "known there");
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsVersionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                             return version.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

TEST_F(TlsTest, AnExpiredCertificateIsNamedSo) {
    be_server(authority_.issue("DNS:localhost", -std::chrono::hours(3), -std::chrono::hours(1)));
    const auto result = run(trusting(authority_));
    EXPECT_EQ(result.end, AttemptEnd::tls_failed);
    EXPECT_THAT(result.detail, HasSubstr("the certificate of localhost has expired on 20"));
}

TEST_F(TlsTest, ACertificateOfTheFutureIsNamedSo) {
    be_server(authority_.issue("DNS:localhost", std::chrono::hours(1), std::chrono::hours(3)));
    EXPECT_THAT(run(trusting(authority_)).detail,
                AllOf(HasSubstr("the certificate of localhost is not valid before 20"),
                      HasSubstr("clock")));
}

TEST_F(TlsTest, ASelfSignedCertificateIsNamedSoAndCanBeTrusted) {
    const auto self = test::make_self_signed("DNS:localhost");
    be_server(self);
    EXPECT_EQ(run(trusting(authority_)).detail,
              "the certificate of localhost is self-signed: if it is the right one, name it in "
              "destination.ca_file");
    EXPECT_EQ(run({write("self.pem", self.certificate), "", ""}).status, 202);
}

TEST_F(TlsTest, AnUnknownAuthorityIsNamed) {
    be_server(Authority("Bad\nCA").issue("DNS:localhost"));
    const auto result = run(trusting(authority_));
    EXPECT_EQ(result.end, AttemptEnd::tls_failed);
    EXPECT_THAT(result.detail,
                AllOf(HasSubstr("comes from an unknown CA"), HasSubstr("Bad"),
                      HasSubstr("destination.ca_file"), testing::Not(HasSubstr("\n"))));
}

TEST_F(TlsTest, TheNamesOfAnotherHostAreShown) {
    be_server(authority_.issue("DNS:other.example,IP:192.0.2.1"));
    EXPECT_EQ(run(trusting(authority_)).detail,
              "the certificate is not for localhost but for DNS:other.example, "
              "IP Address:192.0.2.1: see destination.base_url");
    destination_.host = "127.0.0.1";
    EXPECT_THAT(run(trusting(authority_)).detail, HasSubstr("is not for 127.0.0.1 but for DNS:"));
}

TEST_F(TlsTest, ANameInTheSubjectDoesNotCount) {
    const Identity old = test::make_self_signed("", "localhost");
    be_server(old);
    const auto result = run({write("ca.pem", old.certificate), "", ""});
    EXPECT_EQ(result.end, AttemptEnd::tls_failed);
    EXPECT_THAT(result.detail, HasSubstr("localhost has no subjectAltName"));
}

TEST_F(TlsTest, ADotAtTheEndOfTheHostIsForTheResolverAlone) {
    be_server(authority_.issue("DNS:localhost"));
    destination_.host = "localhost.";
    EXPECT_EQ(run(trusting(authority_)).status, 202);
}

TEST_F(TlsTest, AServerWithoutTlsIsNamedSo) {
    serving_ = true;
    acceptor_.async_accept([](const error_code&, tcp::socket socket) {
        auto kept = std::make_shared<tcp::socket>(std::move(socket));
        asio::async_write(*kept, asio::buffer("HTTP/1.1 400 Bad Request\r\n\r\n", 28),
                          [kept](const error_code&, std::size_t) {});
    });
    EXPECT_EQ(run(trusting(authority_)).detail,
              "localhost does not speak TLS on this port: see destination.base_url");
}

TEST_F(TlsTest, OldVersionsAreRefused) {
    be_server(authority_.issue("DNS:localhost"), TLS1_1_VERSION);
    SSL_CTX_set_security_level(server_.native_handle(), 0);
    EXPECT_EQ(run(trusting(authority_)).detail, "localhost speaks neither TLS 1.2 nor TLS 1.3");
}

TEST_F(TlsTest, FilesThatCannotBeUsedAreNamed) {
    const auto mine = authority_.issue("DNS:client");
    const auto other = authority_.issue("DNS:client");
    const auto certificate = write("client.pem", mine.certificate);
    const auto garbage = write("garbage.pem", "not PEM\n");
    EXPECT_EQ(problem_of({"/nowhere/ca.pem", "", ""}),
              "destination.ca_file: /nowhere/ca.pem: cannot read the file: No such file or "
              "directory");
    EXPECT_THAT(problem_of({garbage, "", ""}),
                HasSubstr("garbage.pem: cannot read CA certificates (PEM)"));
    EXPECT_THAT(problem_of({"", "/nowhere/c.pem", ""}),
                HasSubstr("destination.client_certificate: /nowhere/c.pem: cannot read"));
    EXPECT_THAT(problem_of({"", garbage, ""}),
                HasSubstr("cannot read a certificate (PEM): no start line"));
    EXPECT_THAT(problem_of({"", certificate, ""}), HasSubstr("is it in a file of its own?"));
    EXPECT_THAT(problem_of({"", certificate, "/nowhere/c.key"}),
                HasSubstr("destination.client_key: /nowhere/c.key: cannot read the file"));
    EXPECT_THAT(problem_of({"", certificate, write("other.key", other.key)}),
                HasSubstr("is not the key of the certificate in " + certificate));
    EXPECT_THAT(problem_of({"", certificate, write("locked.key", encrypt_key(mine, "geheim"))}),
                HasSubstr("the key has a passphrase"));
}

}  // namespace
}  // namespace flowrelay::runtime
