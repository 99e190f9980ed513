// An HttpClient and small servers on loopback, each of which behaves in one way.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/runtime/http_client.hpp"
#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::runtime {

namespace asio = boost::asio;
using asio::ip::tcp;

inline const std::string accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

class HttpClientTest : public testing::Test {
public:
    /// The server's end of one connection.
    class Script {
    public:
        explicit Script(tcp::socket& socket) : socket_(socket) {}

        /// Some bytes of a request; nothing at its end.
        asio::awaitable<std::string> read_request() {
            std::string input(65536, '\0');
            const auto [error, size] = co_await socket_.async_read_some(
                asio::buffer(input), asio::as_tuple(asio::deferred));
            broken_ = broken_ || error;
            input.resize(size);
            co_return input;
        }

        asio::awaitable<void> send(std::string bytes) {
            const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(bytes),
                                                                  asio::as_tuple(asio::deferred));
            broken_ = broken_ || error;
            sent_ += size;
        }

        asio::awaitable<void> pause(std::chrono::microseconds time) {
            asio::steady_timer timer(socket_.get_executor(), time);
            co_await timer.async_wait(asio::as_tuple(asio::deferred));
        }

        void reset() {
            socket_.set_option(asio::socket_base::linger(true, 0));
            socket_.close();  // the destructor would not linger
        }

        bool broken() const noexcept { return broken_; }
        std::size_t sent() const noexcept { return sent_; }

    private:
        tcp::socket& socket_;
        bool broken_ = false;
        std::size_t sent_ = 0;
    };

    /// What is done with a connection; then it is closed.
    using Behaviour = std::function<asio::awaitable<void>(Script&)>;

protected:
    HttpClientTest() {
        destination_.tls = false;
        destination_.host = "127.0.0.1";
        destination_.port = acceptor_.local_endpoint().port();
        destination_.connect_timeout = Milliseconds(2000);
        destination_.request_timeout = Milliseconds(300);
    }

    /// Writes an answer to each request. An empty answer is none: the connection just ends.
    static asio::awaitable<void> answer_in_turn(Script& server, std::vector<std::string> answers) {
        for (auto& answer : answers) {
            co_await server.read_request();
            if (server.broken()) co_return;
            const bool silent = answer == silence;
            co_await server.send(std::move(answer));
            if (silent) co_await server.pause(Seconds(5));
        }
    }

    asio::awaitable<void> serve(std::deque<Behaviour> behaviours) {
        for (const auto& behaviour : behaviours) {
            tcp::socket socket(io_);
            const auto [error] =
                co_await acceptor_.async_accept(socket, asio::as_tuple(asio::deferred));
            if (error) co_return;
            ++connections_;
            Script script(socket);
            co_await behaviour(script);
        }
    }

    asio::awaitable<void> post(int times) {
        for (int i = 0; i < times; ++i) {
            const HttpClient::Request request(request_, rest_);
            auto result = co_await client_.post(request, connection_);
            results_.push_back(std::move(result));
            if (pause_ == Milliseconds(0)) continue;
            asio::steady_timer timer(io_, pause_);
            co_await timer.async_wait(asio::as_tuple(asio::deferred));
        }
        io_.stop();
    }

    asio::awaitable<void> watch() {
        asio::steady_timer timer(io_);
        while (true) {
            timer.expires_after(std::chrono::milliseconds(20));
            co_await timer.async_wait(asio::as_tuple(asio::deferred));
            client_.check_deadline(clock_.now().mono);
        }
    }

    void run_all(std::deque<Behaviour> behaviours, int times) {
        results_.clear();
        io_.restart();
        spawn(io_.get_executor(), serve(std::move(behaviours)));
        if (!std::exchange(watched_, true)) spawn(io_.get_executor(), watch());
        spawn(io_.get_executor(), post(times));
        io_.run_for(std::chrono::seconds(20));
        ASSERT_EQ(results_.size(), static_cast<std::size_t>(times)) << "it hangs";
    }

    /// For each connection what is written on it after each request.
    void run(std::deque<std::vector<std::string>> connections, int times) {
        std::deque<Behaviour> behaviours;
        for (auto& answers : connections) {
            behaviours.push_back(
                [answers](Script& server) { return answer_in_turn(server, answers); });
        }
        run_all(std::move(behaviours), times);
    }

    /// One request to a server that does this.
    core::AttemptResult run_one(Behaviour behaviour) {
        client_.close();
        run_all({std::move(behaviour)}, 1);
        return results_.empty() ? core::AttemptResult() : results_.back();
    }

    /// More than the buffers of both ends take.
    static std::string large_request() {
        return "POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n" +
               std::string(16'000'000, 'x');
    }

    static inline const std::string silence = "HTTP/1.1 200 OK\r\nContent-Le";

    asio::io_context io_{1};
    tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    SystemClock clock_;
    /// Answers for the names that a test uses; everything else is an address.
    std::vector<std::string> names_;
    Resolver resolver_{io_.get_executor(),
                       [this](const std::string&, std::uint16_t port, LookUpDone done) {
                           Endpoints endpoints;
                           for (const auto& name : names_) {
                               endpoints.emplace_back(asio::ip::make_address(name), port);
                           }
                           asio::post(io_, [endpoints, done] { done({}, endpoints); });
                       },
                       NameTimes{Milliseconds(0), Milliseconds(0), Seconds(60), Seconds(0)}};
    Destination destination_;
    HttpClient client_{io_.get_executor(), destination_, nullptr, resolver_, clock_};
    std::string request_ = "POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}";
    std::string rest_;  ///< of it
    HttpClient::Connection connection_ = HttpClient::Connection::any;
    Milliseconds pause_{0};  ///< after each request
    std::vector<core::AttemptResult> results_;
    int connections_ = 0;
    bool watched_ = false;
};

}  // namespace flowrelay::runtime
