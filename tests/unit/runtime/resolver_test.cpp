#include "flowrelay/runtime/resolver.hpp"

#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/runtime/spawn.hpp"

namespace flowrelay::runtime {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

const tcp::endpoint first(asio::ip::make_address("192.0.2.1"), 443);
const tcp::endpoint second(asio::ip::make_address("192.0.2.2"), 443);

/// A resolver whose look-ups the test answers.
class ResolverTest : public testing::Test {
protected:
    explicit ResolverTest(NameTimes times = {Milliseconds(0), Milliseconds(0), Seconds(60),
                                             Seconds(0)})
        : resolver_(
              io_.get_executor(),
              [this](const std::string&, std::uint16_t, LookUpDone done) {
                  asked_.push_back(std::move(done));
              },
              times) {}

    asio::awaitable<void> resolve(std::string host, Milliseconds patience,
                                  std::optional<Result<Endpoints>>& out) {
        const MonoTime deadline = std::chrono::steady_clock::now() + patience;
        auto result = co_await resolver_.resolve(std::move(host), 443, deadline);
        out = std::move(result);
    }

    /// Starts a resolve() and runs all ready handlers.
    void ask(std::optional<Result<Endpoints>>& out, Milliseconds patience = Seconds(20)) {
        spawn(io_.get_executor(), resolve("api.example.com", patience, out));
        run();
    }

    void run() {
        io_.restart();
        io_.poll();
    }

    void answer(std::size_t index, const error_code& error, Endpoints endpoints) {
        asked_.at(index)(error, std::move(endpoints));
        run();
    }

    asio::io_context io_{1};
    std::vector<LookUpDone> asked_;
    Resolver resolver_;
};

TEST_F(ResolverTest, AnAddressIsNotLookedUp) {
    std::optional<Result<Endpoints>> out;
    spawn(io_.get_executor(), resolve("192.0.2.1", Seconds(1), out));
    run();
    ASSERT_TRUE(out && out->has_value());
    EXPECT_EQ(**out, Endpoints{first});
    EXPECT_TRUE(resolver_.leads_to("192.0.2.1", 443, second)) << "nothing can have changed";
    EXPECT_TRUE(asked_.empty());
}

TEST_F(ResolverTest, OneLookUpServesAllThatWait) {
    std::optional<Result<Endpoints>> one;
    std::optional<Result<Endpoints>> two;
    ask(one);
    ask(two);
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_TRUE(resolver_.busy());
    answer(0, {}, {first, second});
    ASSERT_TRUE(one && two && one->has_value() && two->has_value());
    EXPECT_EQ(**one, (Endpoints{first, second}));
    EXPECT_EQ(**two, (Endpoints{first, second}));
    EXPECT_FALSE(resolver_.busy());
}

TEST_F(ResolverTest, AnOldAnswerIsUsedWhileANewOneIsOnItsWay) {
    std::optional<Result<Endpoints>> out;
    ask(out);
    answer(0, {}, {first});
    out.reset();
    ask(out);  // the fixture's answers are never fresh
    ASSERT_TRUE(out) << "it waits for the second look-up";
    EXPECT_EQ(**out, Endpoints{first});
    ASSERT_EQ(asked_.size(), 2U);
    answer(1, asio::error::host_not_found_try_again, {});
    out.reset();
    ask(out);
    EXPECT_EQ(**out, Endpoints{first}) << "a failed look-up took the answer away";
}

TEST_F(ResolverTest, AConnectionToAnAddressThatTheNameLostIsTold) {
    std::optional<Result<Endpoints>> out;
    ask(out);
    answer(0, {}, {first});
    EXPECT_TRUE(resolver_.leads_to("api.example.com", 443, first));
    ASSERT_EQ(asked_.size(), 2U) << "those that only ask this keep the answer fresh";
    EXPECT_TRUE(resolver_.leads_to("api.example.com", 443, first));
    EXPECT_EQ(asked_.size(), 2U);
    answer(1, {}, {second});
    EXPECT_FALSE(resolver_.leads_to("api.example.com", 443, first));
    EXPECT_TRUE(resolver_.leads_to("api.example.com", 443, second));
}

TEST_F(ResolverTest, AFailureSaysWhatCouldNotBeResolved) {
    std::optional<Result<Endpoints>> out;
    ask(out);
    answer(0, asio::error::host_not_found, {});
    ASSERT_TRUE(out && out->has_error());
    EXPECT_NE(out->error().message.find("the name api.example.com can't be resolved"),
              std::string::npos)
        << out->error().message;
}

TEST_F(ResolverTest, NobodyWaitsLongerThanTheirDeadline) {
    std::optional<Result<Endpoints>> out;
    spawn(io_.get_executor(), resolve("api.example.com", Milliseconds(20), out));
    io_.run_for(std::chrono::seconds(10));
    ASSERT_TRUE(out && out->has_error());
    EXPECT_EQ(out->error().code, boost::system::errc::timed_out);
    answer(0, {}, {first});  // a late answer is kept
    EXPECT_TRUE(resolver_.leads_to("api.example.com", 443, first));
}

TEST_F(ResolverTest, GivingUpEndsAllWaiting) {
    std::optional<Result<Endpoints>> waiting;
    ask(waiting);
    EXPECT_FALSE(waiting);
    resolver_.give_up();
    run();
    ASSERT_TRUE(waiting);
    EXPECT_TRUE(waiting->has_error());
    std::optional<Result<Endpoints>> later;
    ask(later);
    ASSERT_TRUE(later);
    EXPECT_TRUE(later->has_error());
}

TEST_F(ResolverTest, TheSystemIsAskedForRealNames) {
    Resolver system(io_.get_executor());
    std::optional<Result<Endpoints>> out;
    const auto task = [&]() -> asio::awaitable<void> {
        const MonoTime deadline = std::chrono::steady_clock::now() + Seconds(10);
        auto result = co_await system.resolve("localhost", 443, deadline);
        out = std::move(result);
    };
    spawn(io_.get_executor(), task());
    io_.restart();
    io_.run_for(std::chrono::seconds(15));
    ASSERT_TRUE(out && out->has_value());
    for (const auto& endpoint : **out) {
        EXPECT_TRUE(endpoint.address().is_loopback());
        EXPECT_EQ(endpoint.port(), 443);
    }
}

}  // namespace
}  // namespace flowrelay::runtime
