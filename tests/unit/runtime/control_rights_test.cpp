// Permissions on the control socket: whatever a user with read-only access sends, nothing changes.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "control_fixture.hpp"
#include "flowrelay/base/random.hpp"

namespace flowrelay::runtime {
namespace {

class ControlRights : public ControlFixture {
protected:
    ControlRights() {
        for (int i = 0; i < 5; ++i) submit("ci", "build-1", fmt::format("ci-{}", i));
        for (int i = 0; i < 5; ++i) submit("web", "ticket-7", fmt::format("web-{}", i));
        core::DeadLetter letter;
        letter.seq = Seq{3};
        letter.outcome = core::Outcome::dead;
        letter.event.token = *relay_.tokens().find("ci");
        letter.event.id = "ci-2";
        letter.event.body = "{}";
        storage_.bury(std::move(letter));
        bool settled = false;
        storage_.barrier([&settled] { settled = true; });
        run_until([&settled] { return settled; });
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
        run_until([end] { return std::chrono::steady_clock::now() >= end; });
    }

    static std::string path_of(const ControlRoute& route, std::string_view name) {
        std::string path(route.path);
        const std::size_t star = path.find('*');
        if (star != path.npos) path.replace(star, 1, name);
        return path;
    }
};

const std::vector<std::string>& bodies() {
    static const std::vector<std::string> all = [] {
        std::vector<std::string> made{"", "{}", "{}}", "[]", "null", "\xEF\xBB\xBF{}", "{\"plan\""};
        const std::array plans{R"("plan":true)",
                               R"("plan":false)",
                               R"("plan":"true")",
                               R"("plan":1)",
                               R"("plan":null)",
                               R"("plan":[true])",
                               R"("plan":{"plan":true})",
                               R"("pl\u0061n":true)",
                               R"("plan":true,"plan":false)",
                               R"("plan":false,"plan":true)",
                               R"("Plan":true)",
                               R"("dry_run":true)"};
        const std::array rest{R"()",
                              R"(,"all":true)",
                              R"(,"source":"ci")",
                              R"(,"thread":"build-1")",
                              R"(,"ids":["ci-0","ci-2",3,4])",
                              R"(,"name":"new","flow_token":"another")",
                              R"(,"flow_token":"another","all":true,"force":true)"};
        for (const char* plan : plans) {
            for (const char* more : rest) made.push_back(fmt::format("{{{}{}}}", plan, more));
        }
        for (const char* more : rest) made.push_back(fmt::format(R"({{"x":1{}}})", more));
        return made;
    }();
    return all;
}

TEST_F(ControlRights, NoRouteChangesAnythingForWhoMayOnlyLook) {
    const std::string before = state();
    std::set<std::string_view> refused;
    for (const auto& route : control_routes()) {
        for (const auto& body : bodies()) {
            for (const char* name : {"ci", "web", "extra", "nobody"}) {
                const auto answer =
                    ask(request(route.method, path_of(route, name), body), looker());
                ASSERT_TRUE(answer);
                ASSERT_EQ(state(), before) << route.path << " " << body;
                if (answer->status == 403) refused.insert(route.path);
                if (route.path.find('*') == route.path.npos) break;
            }
        }
    }
    for (const auto& route : control_routes()) {
        EXPECT_EQ(refused.contains(route.path) || route.path == "/v1/sources",
                  !route.change.empty() || route.path == "/v1/sources")
            << route.path;
    }
}

TEST_F(ControlRights, WhatHasNoPlanIsNotMadeWithOne) {
    const std::string before = state();
    for (const auto& route : control_routes()) {
        if (route.change.empty() || route.plans == Plans::yes) continue;
        for (const char* body : {R"({"plan":true})", R"({"plan":true,"flow_token":"another"})"}) {
            const auto answer = ask(request(route.method, path_of(route, "ci"), body), root());
            ASSERT_TRUE(answer);
            EXPECT_EQ(answer->status, 400) << route.path;
            EXPECT_NE(answer->body.find("no plan"), std::string::npos) << answer->body;
            EXPECT_EQ(state(), before) << route.path;
        }
    }
}

TEST_F(ControlRights, APlanThatIsNeitherTrueNorFalseChangesNothing) {
    const std::string before = state();
    for (const auto& route : control_routes()) {
        if (route.plans == Plans::no) continue;
        for (const char* plan : {"\"true\"", "1", "null", "[]", "true,\"plan\":false"}) {
            const auto answer =
                ask(request(route.method, path_of(route, "ci"),
                            fmt::format(R"({{"all":true,"name":"new","plan":{}}})", plan)),
                    root());
            ASSERT_TRUE(answer);
            EXPECT_EQ(answer->status, 400) << route.path << " " << plan;
            EXPECT_EQ(state(), before) << route.path << " " << plan;
        }
    }
}

TEST_F(ControlRights, PlansAreForAll) {
    const std::string before = state();
    for (const char* path : {"/v1/queue/drop", "/v1/queue/retry", "/v1/dead/drop",
                             "/v1/dead/replay", "/v1/sources/ci/remove"}) {
        const auto answer = ask(request("POST", path, R"({"plan":true,"all":true})"), looker());
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->status, 200) << path << answer->body;
        EXPECT_EQ(state(), before) << path;
    }
}

// ---- random requests, from a seed

class Requests {
public:
    explicit Requests(std::uint64_t seed) : random_(seed) {}

    std::string next() {
        const auto routes = control_routes();
        const auto& route = routes[random_.below(routes.size())];
        std::string method(route.method);
        std::string path(route.path);
        const std::size_t star = path.find('*');
        if (star != path.npos) path.replace(star, 1, pick(names_));
        if (random_.below(4) == 0) path += "?" + std::string(pick(queries_));
        if (random_.below(10) == 0) method = pick(methods_);
        std::string body =
            random_.below(3) == 0 ? bodies()[random_.below(bodies().size())] : object(0);
        for (auto damages = random_.below(8) == 0 ? 1 + random_.below(3) : 0; damages > 0;
             --damages) {
            if (body.empty()) break;
            body[random_.below(body.size())] = static_cast<char>(random_.below(256));
        }
        return fmt::format("{} {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{}", method,
                           path, body.size(), body);
    }

private:
    template <class List>
    std::string_view pick(const List& list) {
        return list[random_.below(list.size())];
    }

    std::string object(int depth) {
        std::string text = "{";
        for (auto members = random_.below(5); members > 0; --members) {
            if (text.size() > 1) text += ',';
            text += fmt::format("\"{}\":{}", pick(members_), value(depth + 1));
        }
        return text + '}';
    }

    std::string value(int depth) {
        switch (random_.below(depth > 3 ? 5 : 8)) {
            case 0:
            case 1:
                return "true";
            case 2:
                return fmt::format("\"{}\"", pick(names_));
            case 3:
                return std::to_string(random_.below(12));
            case 4:
                return "false";
            case 5:
                return object(depth);
            case 6:
                return "null";
            default:
                return fmt::format("[{},{}]", value(depth + 1), value(depth + 1));
        }
    }

    static constexpr std::array<std::string_view, 9> names_{
        "ci", "web", "extra", "nobody", "build-1", "ci-2", "3", "%63i", "token-1"};
    static constexpr std::array<std::string_view, 6> queries_{"plan=true",   "source=ci", "limit=1",
                                                              "after=0.0.0", "of=ci",     "plan"};
    static constexpr std::array<std::string_view, 6> methods_{"PUT",  "DELETE", "PATCH",
                                                              "HEAD", "GET",    "POST"};
    static constexpr std::array<std::string_view, 11> members_{
        "plan",           "all",        "ids",  "source", "thread", "flow_token", "name", "after",
        "accepted_by_ms", "pl\\u0061n", "limit"};

    Random random_;
};

TEST_F(ControlRights, WhateverIsSentByWhoMayOnlyLookNothingChanges) {
    std::uint64_t seeds = 2000;
    if (const char* given = std::getenv("FLOWRELAY_SEEDS")) seeds = std::stoull(given);
    const std::string before = state();
    std::uint64_t answered = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const std::string bytes = Requests(seed).next();
        const auto answer = ask(bytes, looker());
        if (!answer) continue;
        ++answered;
        ASSERT_EQ(state(), before) << "seed " << seed << ": " << bytes;
        ASSERT_TRUE(answer->status < 500) << "seed " << seed << ": " << answer->body;
    }
    EXPECT_GT(answered, seeds / 2);
}

}  // namespace
}  // namespace flowrelay::runtime
