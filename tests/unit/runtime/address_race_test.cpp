// Races over real sockets. An address that drops packets is a loopback listener with a full queue
// of connections: the kernel drops further ones without an answer.
#include "flowrelay/runtime/address_race.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::runtime {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr Milliseconds stagger(300);

class AddressRaceTest : public testing::Test {
protected:
    static tcp::endpoint loopback() { return {asio::ip::address_v4::loopback(), 0}; }

    /// Returns an address that accepts connections (the kernel does, without accept()).
    tcp::endpoint listening() {
        acceptors_.emplace_back(io_, loopback());
        return acceptors_.back().local_endpoint();
    }

    tcp::endpoint refusing() {
        tcp::acceptor acceptor(io_, loopback());
        return acceptor.local_endpoint();
    }

    /// Returns an address that never answers.
    tcp::endpoint silent() {
        auto& acceptor = acceptors_.emplace_back(io_);
        acceptor.open(tcp::v4());
        acceptor.bind(loopback());
        acceptor.listen(0);
        const auto endpoint = acceptor.local_endpoint();
        for (int i = 0; i < 4; ++i) {
            auto& filler = fillers_.emplace_back(io_);
            filler.async_connect(endpoint, [](const error_code&) {});
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        return endpoint;
    }

    void accept_all(tcp::acceptor& acceptor) {
        acceptor.async_accept([this, &acceptor](const error_code& error, tcp::socket taken) {
            if (error) return;
            fillers_.push_back(std::move(taken));
            accept_all(acceptor);
        });
    }

    asio::awaitable<void> race(Endpoints endpoints, Milliseconds patience) {
        const MonoTime deadline = std::chrono::steady_clock::now() + patience;
        auto result = co_await race_.run(std::move(endpoints), deadline);
        result_ = std::move(result);
        io_.stop();
    }

    /// Runs a race and returns its duration.
    Milliseconds run(Endpoints endpoints, Milliseconds patience = Seconds(5)) {
        const MonoTime begun = std::chrono::steady_clock::now();
        result_.reset();
        io_.restart();
        spawn(io_.get_executor(), race(std::move(endpoints), patience));
        io_.run_for(std::chrono::seconds(15));
        return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begun);
    }

    asio::io_context io_{1};
    std::deque<tcp::acceptor> acceptors_;
    std::deque<tcp::socket> fillers_;
    AddressRace race_{io_.get_executor(), stagger};
    std::optional<Result<AddressRace::Winner>> result_;
};

TEST_F(AddressRaceTest, TheFirstAddressWinsWhenItAnswers) {
    const auto one = listening();
    const auto two = listening();
    EXPECT_LT(run({one, two}), stagger);
    ASSERT_TRUE(result_ && result_->has_value());
    EXPECT_EQ((*result_)->endpoint, one);
    EXPECT_EQ((*result_)->socket.remote_endpoint(), one);
    EXPECT_TRUE((*result_)->passed_over.empty());
}

TEST_F(AddressRaceTest, ARefusalMovesOnAtOnce) {
    const auto dead = refusing();
    const auto alive = listening();
    EXPECT_LT(run({dead, dead, alive}), stagger);
    ASSERT_TRUE(result_ && result_->has_value());
    EXPECT_EQ((*result_)->endpoint, alive);
    EXPECT_EQ((*result_)->passed_over, (Endpoints{dead, dead}));
}

TEST_F(AddressRaceTest, ASilentAddressCostsTheStaggerAndNotTheTimeout) {
    const auto hole = silent();
    const auto alive = listening();
    const auto took = run({hole, alive});
    ASSERT_TRUE(result_ && result_->has_value());
    EXPECT_EQ((*result_)->endpoint, alive);
    EXPECT_EQ((*result_)->passed_over, Endpoints{hole});
    EXPECT_GE(took, stagger - Milliseconds(5));
    EXPECT_LT(took, Seconds(3));
}

TEST_F(AddressRaceTest, ASlowAddressMayStillWin) {
    const auto hole = silent();
    // While the second attempt is in progress, the first listener begins to accept connections.
    asio::steady_timer timer(io_, 2 * stagger);
    timer.async_wait([&](const error_code&) { accept_all(acceptors_.front()); });
    run({hole, silent()}, Seconds(10));  // SYNs are repeated after a second
    ASSERT_TRUE(result_ && result_->has_value());
    EXPECT_EQ((*result_)->endpoint, hole);
    EXPECT_TRUE((*result_)->passed_over.empty());
}

TEST_F(AddressRaceTest, AfterAFailureTheOthersAreStillWaitedFor) {
    const auto hole = silent();
    const auto dead = refusing();
    const auto alive = listening();
    const auto took = run({hole, dead, alive});
    ASSERT_TRUE(result_ && result_->has_value());
    EXPECT_EQ((*result_)->endpoint, alive);
    EXPECT_LT(took, 2 * stagger - Milliseconds(5))
        << "after the refusal the next one begins at once";
}

TEST_F(AddressRaceTest, WhenAllFailEachReasonIsTold) {
    const auto dead = refusing();
    const auto hole = silent();
    const auto took = run({dead, hole}, stagger);
    ASSERT_TRUE(result_ && result_->has_error());
    EXPECT_EQ(result_->error().code, asio::error::timed_out);
    EXPECT_EQ(result_->error().message, "127.0.0.1: Connection refused; 127.0.0.1: no answer");
    EXPECT_GE(took, stagger - Milliseconds(5));
}

TEST_F(AddressRaceTest, ARefusalOfTheOnlyAddressEndsIt) {
    EXPECT_LT(run({refusing()}), stagger);
    ASSERT_TRUE(result_ && result_->has_error());
    EXPECT_EQ(result_->error().code, asio::error::connection_refused);
}

TEST_F(AddressRaceTest, WithoutAnAddressThereIsNoRace) {
    EXPECT_LT(run({}), stagger);
    ASSERT_TRUE(result_ && result_->has_error());
    EXPECT_EQ(result_->error().message, "no address");
}

TEST_F(AddressRaceTest, CanBeCancelledAndRunAgain) {
    asio::steady_timer timer(io_, Milliseconds(50));
    timer.async_wait([&](const error_code&) { race_.cancel(); });
    EXPECT_LT(run({silent()}), Seconds(3));
    ASSERT_TRUE(result_ && result_->has_error());
    EXPECT_EQ(result_->error().code, asio::error::operation_aborted);
    run({listening()});
    EXPECT_TRUE(result_ && result_->has_value());
}

}  // namespace
}  // namespace flowrelay::runtime
