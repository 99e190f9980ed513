// The resources /v1/spool of the control socket.
#include <gtest/gtest.h>

#include <future>
#include <optional>
#include <string>

#include "control_fixture.hpp"

namespace flowrelay::runtime {
namespace {

class ControlSpool : public ControlFixture {};

TEST_F(ControlSpool, AFreezeHoldsTheSpoolUntilItIsThawed) {
    const auto frozen = ask(request("POST", "/v1/spool/freeze", "{}"), root());
    ASSERT_TRUE(frozen);
    EXPECT_EQ(frozen->status, 200);
    EXPECT_EQ(ask(request("POST", "/v1/spool/freeze", "{}"), root())->status, 409);
    const auto thawed = ask(request("POST", "/v1/spool/thaw", "{}"), root());
    EXPECT_NE(thawed->body.find("\"stood_still\":true"), std::string::npos) << thawed->body;
}

TEST_F(ControlSpool, AFreezeThatIsThawedBeforeItBeganIsRefused) {
    std::promise<void> go_on;
    storage_.ask([busy = go_on.get_future().share()](storage::Spool&) -> std::function<void()> {
        busy.wait();
        return [] {};
    });
    http::RequestReader reader{http::RequestLimits()};
    reader.put(request("POST", "/v1/spool/freeze", "{}"));
    ASSERT_EQ(reader.status(), http::ReadStatus::complete);
    std::optional<http::Response> answer;
    spawn(io_.get_executor(), answer_into(answer, reader, root()));
    while (context_.freeze->begin()) {
        context_.freeze->thaw();
        io_.run_one_for(std::chrono::milliseconds(50));
    }
    context_.freeze->thaw();
    go_on.set_value();
    run_until([&] { return answer.has_value(); });
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 409);
}

}  // namespace
}  // namespace flowrelay::runtime
