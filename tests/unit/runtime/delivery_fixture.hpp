// A delivering relay with the real engine and workers on a simulated disk, and a server on loopback
// whose answers the test chooses.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowrelay/core/relay.hpp"
#include "flowrelay/runtime/delivery.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/spawn.hpp"
#include "flowrelay/runtime/storage_thread.hpp"
#include "memory_stores.hpp"
#include "support/recording_log.hpp"

namespace flowrelay::runtime {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Simulates a slow machine: each reading of the clock takes a while.
class SlowClock final : public Clock {
public:
    Now now() const override {
        const auto until = std::chrono::steady_clock::now() + look;
        while (std::chrono::steady_clock::now() < until) {
        }
        return real_.now();
    }
    std::chrono::microseconds look{0};

private:
    SystemClock real_;
};

inline std::string answer_of(int status) {
    return fmt::format("HTTP/1.1 {} x\r\nContent-Length: 0\r\n\r\n", status);
}

class DeliveryFixture : public testing::Test {
public:
    /// A request as received by the server.
    struct Request {
        std::size_t connection = 0;
        std::size_t number = 0;  ///< from 0, since requests_ was cleared
        std::string bytes;
        bool has(std::string_view text) const { return bytes.find(text) != std::string::npos; }
    };
    /// Returns the answer; empty: the connection is closed.
    using Answers = std::function<std::string(const Request&)>;

protected:
    ~DeliveryFixture() override {
        acceptor_.close();
        holding_ = false;
        if (delivery_) {
            bool stopped = false;
            spawn(io_.get_executor(), stop(stopped));
            run_until([&] { return stopped; });
        }
        storage_.stop();
    }

    /// Starts delivering the events of the source "ci".
    void start(core::RelayOptions options = {}, EngineOptions engine = {}) {
        options_ = std::move(options);
        options_.destination = "http://first.example";
        relay_.emplace(options_, Salt{}, std::vector<core::TokenEntry>(), Random(1), log_);
        configure("first-t0ken");
        engine_.emplace(io_.get_executor(), *relay_, storage_, clock_, std::move(engine));
        delivery_.emplace(io_.get_executor(), *engine_, destination(), nullptr, DeliveryOptions());
        delivery_->start();
        spawn(io_.get_executor(), accept());
    }

    /// Configures the source as a reload does. Empty token: the source is not configured.
    void configure(const std::string& token) {
        std::vector<core::ConfiguredSource> sources;
        if (!token.empty()) sources.push_back({"ci", Secret(token), {}});
        auto entries = relay_->configure(std::move(sources), clock_.now());
        for (const auto& entry : entries) relay_->tokens().mark_durable(entry);
        storage_.put_tokens(std::move(entries), [](const Result<void>&) {});
        if (engine_) engine_->wake();
    }

    void correct_base_url() {
        options_.destination = "http://second.example";
        relay_->set_options(options_);
        authority_ = "second.example";
        delivery_->retarget(destination(), nullptr);
        engine_->wake();
    }

    void submit(const std::string& thread) {
        auto submission = core::Submission::parse(fmt::format(
            R"({{"source":"ci","external_thread_id":"{}","title":"x","author":{{"name":"a"}}}})",
            thread));
        bool answered = false;
        engine_->submit(
            std::move(*submission),
            [&](const Answer& answer) {
                EXPECT_TRUE(answer.accepted());
                answered = true;
            },
            clock_.now());
        run_until([&] { return answered; });
    }

    /// Runs handlers until the condition holds; fails the test after a time-out.
    template <class Condition>
    void run_until(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (!condition() && std::chrono::steady_clock::now() < deadline) {
            io_.run_one_for(std::chrono::milliseconds(50));
        }
        ASSERT_TRUE(condition()) << "it never came";
    }

    void run_until_delivered(std::uint64_t events) {
        run_until([&] { return relay_->counters().delivered >= events; });
    }

    const core::Token& slot() const { return relay_->tokens().at(TokenId{1}); }

    asio::awaitable<void> stop(bool& stopped) {
        co_await delivery_->stop(Milliseconds(0));
        stopped = true;
    }

    asio::awaitable<void> accept() {
        for (std::size_t number = 0;; ++number) {
            tcp::socket socket(io_);
            const auto [error] =
                co_await acceptor_.async_accept(socket, asio::as_tuple(asio::deferred));
            if (error) co_return;
            auto shared = std::make_shared<tcp::socket>(std::move(socket));
            spawn(io_.get_executor(), serve(shared, number));
        }
    }

    asio::awaitable<void> serve(std::shared_ptr<tcp::socket> socket, std::size_t number) {
        std::string input(65536, '\0');
        while (true) {
            const auto [error, size] = co_await socket->async_read_some(
                asio::buffer(input), asio::as_tuple(asio::deferred));
            if (error) co_return;
            requests_.push_back({number, requests_.size(), input.substr(0, size)});
            const Request request = requests_.back();
            while (holding_) {
                asio::steady_timer timer(io_, std::chrono::milliseconds(1));
                co_await timer.async_wait(asio::as_tuple(asio::deferred));
            }
            const std::string answer = answers_(request);
            if (answer.empty()) co_return;
            const auto [failed, sent] = co_await asio::async_write(*socket, asio::buffer(answer),
                                                                   asio::as_tuple(asio::deferred));
            if (failed) co_return;
        }
    }

    Destination destination() const {
        Destination destination;
        destination.tls = false;
        destination.host = "127.0.0.1";
        destination.port = acceptor_.local_endpoint().port();
        destination.authority = authority_;
        destination.target = "/messages";
        return destination;
    }

    std::string authority_ = "first.example";
    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    tcp::acceptor acceptor_{io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
    test::RecordingLog log_;
    test::SimFileSystem fs_{1};
    SlowClock clock_;
    core::RelayOptions options_;
    StorageThread storage_{test::open_spool(fs_, log_), io_.get_executor()};
    std::optional<core::Relay> relay_;
    std::optional<Engine> engine_;
    std::optional<Delivery> delivery_;
    Answers answers_ = [](const Request&) { return answer_of(202); };
    bool holding_ = false;  ///< requests wait for their answers
    std::vector<Request> requests_;
};

}  // namespace flowrelay::runtime
