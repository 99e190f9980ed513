// Operators' searches: one pass for all ids, cancelled when the client is gone, limited in number.
#include <algorithm>
#include <chrono>

#include "control_fixture.hpp"

namespace flowrelay::runtime {
namespace {

class ControlSearch : public ControlFixture {
protected:
    void fill(int events) {
        for (int i = 0; i < events; ++i) {
            auto submission = core::Submission::parse(fmt::format(
                R"({{"source":"ci","external_thread_id":"t","title":"x","author":{{"name":"a"}},"uuid":"ci-{}"}})",
                i));
            engine_.submit(
                std::move(*submission), [this](const Answer&) { ++answered_; }, clock_.now());
        }
        run_until([&] { return answered_ == events; });
    }

    static std::string ids(int count) {
        std::string list;
        for (int i = 0; i < count; ++i) {
            list += fmt::format("{}\"unknown-{}\"", i > 0 ? "," : "", i);
        }
        return list;
    }

    template <class Work>
    static std::chrono::nanoseconds time(Work work) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        return std::chrono::steady_clock::now() - begin;
    }

    std::optional<http::Response> ask_wanted(const std::string& bytes, const Peer& peer,
                                             const Wanted& wanted) {
        http::RequestReader reader{http::RequestLimits()};
        reader.put(bytes);
        std::optional<http::Response> answer;
        spawn(io_.get_executor(), answer_wanted(answer, reader, peer, wanted));
        run_until([&] { return answer.has_value(); });
        return answer;
    }

    boost::asio::awaitable<void> answer_wanted(std::optional<http::Response>& answer,
                                               const http::RequestReader& reader, Peer peer,
                                               const Wanted& wanted) {
        auto response = co_await answer_control(reader, engine_, context_, peer, wanted);
        answer = std::move(response);
    }

    int answered_ = 0;
};

TEST_F(ControlSearch, AThousandUnknownIdsCostOnePass) {
    fill(6000);
    for (const char* path : {"/v1/queue/drop", "/v1/queue/retry"}) {
        std::string body;
        const auto one = time([&] {
            const auto answer =
                ask(request("POST", path, R"({"plan":true,"ids":["unknown-0"]})"), looker());
            ASSERT_TRUE(answer && answer->status == 200);
        });
        const auto many = time([&] {
            const auto answer =
                ask(request("POST", path, R"({"plan":true,"ids":[)" + ids(1000) + "]}"), looker());
            ASSERT_TRUE(answer && answer->status == 200) << answer->body;
            body = answer->body;
        });
        EXPECT_LT(many, 30 * one + std::chrono::milliseconds(200)) << path;
        EXPECT_NE(body.find("unknown-999"), body.npos);
    }
}

TEST_F(ControlSearch, EachOfManyIsFoundOnceByWhateverItIsCalled) {
    fill(700);
    const auto answer = ask(
        request("POST", "/v1/queue/drop",
                R"({"plan":true,"ids":["ci-3","id:ci-3",4,"4","ci-699","nope",)" + ids(40) + "]}"),
        looker());
    ASSERT_TRUE(answer);
    EXPECT_NE(answer->body.find("\"matched\":2"), std::string::npos) << answer->body;
    EXPECT_NE(answer->body.find("\"nope\""), std::string::npos);
}

TEST_F(ControlSearch, AnEventWhoseRecordIsDamagedIsFoundAmongManyTokens) {
    constexpr int tokens = 150;  // more than one request to the disk covers
    for (int number = 1; number <= tokens; ++number) {
        auto submission = core::Submission::parse(fmt::format(
            R"({{"flow_token":"made-up-{}","external_thread_id":"t","title":"mark-{}.","event":"activity","author":{{"name":"a"}}}})",
            number, number));
        std::optional<Answer> answer;
        engine_.submit(
            std::move(*submission), [&](const Answer& given) { answer = given; }, clock_.now());
        run_until([&] { return answer.has_value(); });
    }
    const std::string path = "/state/spool/000000000001.seg";
    const auto bytes = fs_.contents(path);
    for (const int number : {1, 100, tokens}) {
        const std::string mark = fmt::format("mark-{}.", number);
        const auto found = std::search(bytes.begin(), bytes.end(), mark.begin(), mark.end());
        ASSERT_NE(found, bytes.end());
        fs_.flip_bit(path, static_cast<std::size_t>(found - bytes.begin()));
        const auto answer = ask(request("GET", fmt::format("/v1/queue/{}", number)), looker());
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status, 200) << answer->body;
        EXPECT_NE(answer->body.find("unreadable"), std::string::npos) << answer->body;
    }
}

TEST_F(ControlSearch, APlanWaitsForNoTurn) {
    fill(10);
    ASSERT_TRUE(engine_.begin_change());
    const auto plan =
        ask(request("POST", "/v1/queue/drop", R"({"plan":true,"all":true})"), looker());
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->status, 200);
    int asked = 0;
    const auto change = ask_wanted(request("POST", "/v1/queue/drop", R"({"all":true})"), root(),
                                   [&asked] { return ++asked < 5; });
    EXPECT_EQ(change->status, 503);  // it would otherwise have waited for ever
    engine_.end_change();
}

TEST_F(ControlSearch, WorkEndsWhenNobodyWaitsForIt) {
    fill(6000);
    for (const char* target : {"/v1/queue/unknown", "/v1/explain?of=unknown",
                               "/v1/explain?event=unknown", "/v1/dead/unknown"}) {
        for (int patience = 0; patience < 4; ++patience) {
            int asked = 0;
            const auto answer =
                ask_wanted(request("GET", target), looker(), [&] { return ++asked <= patience; });
            ASSERT_TRUE(answer);
            EXPECT_LE(asked, patience + 3) << target;
        }
    }
    // The places are free again.
    EXPECT_TRUE(engine_.begin_search(looker().uid));
    EXPECT_TRUE(engine_.begin_search(looker().uid));
}

TEST_F(ControlSearch, OneUsersSearchesDoNotTakeTheOthersPlaces) {
    fill(10);
    ASSERT_TRUE(engine_.begin_search(looker().uid));
    ASSERT_TRUE(engine_.begin_search(looker().uid));
    EXPECT_FALSE(engine_.begin_search(looker().uid));
    int asked = 0;
    const auto refused =
        ask_wanted(request("GET", "/v1/queue/unknown"), looker(), [&asked] { return ++asked < 3; });
    EXPECT_EQ(refused->status, 503);
    // A change takes no place: users who can make changes do not wait for readers.
    const auto changed = ask(request("POST", "/v1/queue/drop", R"({"ids":["unknown"]})"), root());
    EXPECT_EQ(changed->status, 200);
    const auto other = ask(request("GET", "/v1/queue/unknown"), root());
    EXPECT_EQ(other->status, 404);
    engine_.end_search(looker().uid);
    EXPECT_EQ(ask(request("GET", "/v1/queue/unknown"), looker())->status, 404);
}

}  // namespace
}  // namespace flowrelay::runtime
