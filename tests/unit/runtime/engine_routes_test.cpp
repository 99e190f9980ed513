// Events whose source has several routes, with a real engine and spool on a simulated disk: one
// answer, one outcome for each copy, and what operators see of them.
#include <algorithm>
#include <string>
#include <vector>

#include "control_fixture.hpp"

namespace flowrelay::runtime {
namespace {

class EngineRoutes : public ControlFixture {
protected:
    EngineRoutes() {
        const auto added =
            relay_.lifecycle().add_source("ci/ops", Secret("t0ken-of-ops"), clock_.now());
        if (added.has_value()) save(*added);
    }

    /// Submits an event; nothing comes of it before the condition of run_until().
    std::shared_ptr<std::vector<Answer>> hand_in(const std::string& uuid,
                                                 const std::string& source = "ci") {
        auto submission = core::Submission::parse(fmt::format(
            R"({{"source":"{}","external_thread_id":"t","title":"x","author":{{"name":"a"}},"uuid":"{}"}})",
            source, uuid));
        auto answers = std::make_shared<std::vector<Answer>>();
        engine_.submit(
            std::move(*submission), [answers](const Answer& answer) { answers->push_back(answer); },
            clock_.now());
        return answers;
    }

    Answer answer_to(const std::string& uuid, const std::string& source = "ci") {
        const auto answers = hand_in(uuid, source);
        run_until([&] { return !answers->empty() && engine_.unanswered() == 0; });
        EXPECT_EQ(answers->size(), 1U) << "one answer, whatever there is of copies";
        return answers->front();
    }

    std::string body(std::string_view method, const std::string& target,
                     std::string_view contents = {}) {
        const auto answer = ask(request(method, target, contents), root());
        return answer ? answer->body : "";
    }

    std::uint64_t queued(std::string_view source) const {
        return relay_.lifecycle().queued(*relay_.tokens().find(source));
    }

    /// The disk refuses one write or sync.
    void fail_once() { fs_.fail_next(test::SimOp::sync, EIO); }

    static bool has(const std::string& text, std::string_view part) {
        return text.find(part) != std::string::npos;
    }
};

TEST_F(EngineRoutes, AllCopiesAreDurableBeforeTheOneAnswer) {
    const Answer answer = answer_to("mine");
    EXPECT_TRUE(answer.accepted());
    EXPECT_FALSE(answer.duplicate);
    EXPECT_EQ(answer.id, "mine");
    EXPECT_EQ(queued("ci"), 1U);
    EXPECT_EQ(queued("ci/ops"), 1U);
    EXPECT_EQ(relay_.counters().accepted, 2U);
    EXPECT_EQ(relay_.counters().accepted_events, 1U);
    const Answer again = answer_to("mine");
    EXPECT_TRUE(again.accepted() && again.duplicate);
    EXPECT_EQ(again.id, "mine");
    EXPECT_EQ(relay_.counters().accepted, 2U);
    EXPECT_EQ(relay_.counters().accepted_events, 1U);
}

TEST_F(EngineRoutes, ARepeatAddsTheCopyThatIsMissing) {
    EXPECT_FALSE(answer_to("mine", "ci/ops").duplicate);
    const Answer answer = answer_to("mine");
    EXPECT_TRUE(answer.accepted());
    EXPECT_FALSE(answer.duplicate) << "a copy was stored";
    EXPECT_EQ(queued("ci"), 1U);
    EXPECT_EQ(queued("ci/ops"), 1U);
    EXPECT_EQ(relay_.counters().accepted_events, 2U);
    EXPECT_TRUE(answer_to("mine").duplicate);
}

TEST_F(EngineRoutes, EventsInFlightTogetherAreAnsweredInTheirOrder) {
    const auto first = hand_in("one");
    const auto again = hand_in("one");
    const auto second = hand_in("two", "web");
    const auto third = hand_in("three");
    run_until([&] { return engine_.unanswered() == 0; });
    for (const auto& answers : {first, again, second, third}) {
        ASSERT_EQ(answers->size(), 1U);
        EXPECT_TRUE(answers->front().accepted());
    }
    EXPECT_FALSE(first->front().duplicate);
    EXPECT_TRUE(again->front().duplicate);
    EXPECT_EQ(queued("ci"), 2U);
    EXPECT_EQ(queued("ci/ops"), 2U);
    EXPECT_EQ(relay_.counters().accepted_events, 3U);
}

TEST_F(EngineRoutes, ACommitThatFailsRefusesTheEventOnce) {
    fail_once();
    const Answer answer = answer_to("mine");
    ASSERT_FALSE(answer.accepted());
    EXPECT_EQ(answer.rejection->code, core::RejectCode::storage_failed);
    EXPECT_EQ(relay_.counters().rejected, 1U);
    EXPECT_EQ(relay_.counters().accepted_events, 0U);
    EXPECT_TRUE(log_.named("ingest.accepted").empty());
}

TEST_F(EngineRoutes, AnIdNamesEachQueuedCopyAndASeqOneOfThem) {
    answer_to("mine");
    const std::string shown = body("GET", "/v1/queue/mine");
    EXPECT_TRUE(has(shown, R"("copies":[{"seq":)")) << shown;
    EXPECT_TRUE(has(shown, R"("source":"ci")") && has(shown, R"("source":"ci/ops")")) << shown;
    EXPECT_FALSE(has(body("GET", "/v1/queue/1"), "copies"));
    const std::string explained = body("GET", "/v1/explain?of=mine");
    EXPECT_TRUE(has(explained, R"("copies":[)")) << explained;
    EXPECT_TRUE(has(explained, R"("source":"ci/ops")")) << explained;
    EXPECT_TRUE(has(body("POST", "/v1/queue/drop", R"({"ids":["1"]})"), R"("dropped":1)"));
    const std::string rest = body("GET", "/v1/explain?of=mine");
    EXPECT_TRUE(has(rest, "dropped") && has(rest, "copies")) << rest;
}

TEST_F(EngineRoutes, ADropByIdDropsAllCopies) {
    answer_to("mine");
    answer_to("other");
    const std::string dropped = body("POST", "/v1/queue/drop", R"({"ids":["mine"]})");
    EXPECT_TRUE(has(dropped, R"("dropped":2)")) << dropped;
    EXPECT_EQ(queued("ci"), 1U);
    EXPECT_EQ(queued("ci/ops"), 1U);
}

// Also those that are not in memory any more.
TEST_F(EngineRoutes, CopiesAreFoundBehindALongBacklog) {
    for (int n = 0; n < 600; ++n) hand_in(fmt::format("web-{}", n), "ci/ops");
    answer_to("mine");
    for (int n = 0; n < 50; ++n) answer_to(fmt::format("later-{}", n), "ci");
    for (std::uint64_t seq = 1; seq < 700; ++seq) engine_.take_cached(Seq{seq});
    const std::string dropped = body("POST", "/v1/queue/drop", R"({"plan":true,"ids":["mine"]})");
    EXPECT_TRUE(has(dropped, R"("matched":2)")) << dropped;
}

TEST_F(EngineRoutes, ADeadLetterIsShownReplayedAndDroppedWithItsCopies) {
    answer_to("mine");
    for (const std::uint64_t seq : {1U, 2U}) {
        bool buried = false;
        storage_.ask([seq](storage::Spool& spool) -> std::function<void()> {
            std::vector<core::DeadLetter> letters(1);
            letters[0].seq = Seq{seq};
            letters[0].event = spool.read(Seq{seq}).value();
            letters[0].died = letters[0].event.accepted;
            spool.bury(std::move(letters));
            return [] {};
        });
        storage_.barrier([&buried] { buried = true; });
        run_until([&buried] { return buried; });
    }
    const std::string shown = body("GET", "/v1/dead/mine");
    EXPECT_TRUE(has(shown, R"("copies":[)") && has(shown, R"("source":"ci/ops")")) << shown;
    EXPECT_FALSE(has(body("GET", "/v1/dead/1"), "copies"));
    for (const char* what : {"replay", "drop"}) {
        const std::string plan =
            body("POST", std::string("/v1/dead/") + what, R"({"plan":true,"ids":["mine"]})");
        EXPECT_TRUE(has(plan, R"("matched":2)")) << plan;
    }
    const std::string one = body("POST", "/v1/dead/drop", R"({"plan":true,"ids":["2"]})");
    EXPECT_TRUE(has(one, R"("matched":1)")) << one;
}

TEST_F(EngineRoutes, ARouteIsOneSegmentOfAPath) {
    EXPECT_TRUE(has(body("GET", "/v1/sources/ci%2Fops"), R"("name":"ci/ops")"));
    EXPECT_TRUE(has(body("GET", "/v1/sources/ci%2fops"), R"("name":"ci/ops")"));
    EXPECT_TRUE(has(body("GET", "/v1/sources/ci/ops"), "not_found"));
    EXPECT_TRUE(has(body("POST", "/v1/sources/ci%2Fops/pause"), R"("state":"paused")"));
    EXPECT_TRUE(has(body("POST", "/v1/sources/ci%2Fops/resume"), R"("state":"active")"));
    EXPECT_TRUE(has(body("POST", "/v1/sources/ci%2Fops/remove"), "removed"));
    EXPECT_TRUE(has(body("GET", "/v1/metrics"), R"(flowrelay_stored_events_total 0)"));
    EXPECT_TRUE(has(body("GET", "/v1/status"), R"("accepted_events":0,"accepted_copies":0)"));
}

}  // namespace
}  // namespace flowrelay::runtime
