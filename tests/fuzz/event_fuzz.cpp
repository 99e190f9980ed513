// Any bytes that a producer may hand in. What is accepted has to be postable: JSON with exactly one
// flow_token, the one that was put in.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "flowrelay/core/event.hpp"
#include "flowrelay/core/json.hpp"

namespace core = flowrelay::core;
namespace json = flowrelay::core::json;

namespace {

void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
}

std::size_t count_members(std::string_view object, std::string_view name) {
    std::size_t count = 0;
    for (json::MemberReader in(object); in.next();) {
        if (in.member().name == name) ++count;
    }
    return count;
}

void check_contents(const core::Submission::Contents& contents) {
    require(!json::check(contents.body), "the stored body is JSON");
    for (const char* name : {"flow_token", "source", "uuid", "relay"}) {
        require(count_members(contents.body, name) == 0, "the stored body has no cut member");
    }
    require(contents.thread.size() > 2, "the thread key has a kind and an id");
    require(contents.uuid.size() <= core::max_uuid_length, "the uuid fits");
    require(!contents.expires_in || contents.expires_in->count() > 0, "the expiry lies ahead");

    std::string posted;
    core::append_post_body(posted, flowrelay::Secret("to\"ken"), "id-1", contents.body);
    require(!json::check(posted), "the posted body is JSON");
    require(count_members(posted, "flow_token") == 1, "the posted body has one flow_token");
    require(count_members(posted, "uuid") == 1, "the posted body has one uuid");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A copy of exactly this size, so that the sanitizer sees a step beyond its end.
    const std::string text(reinterpret_cast<const char*>(data), size);
    const core::EventDefaults defaults{
        {"author", R"({"name":"CI"})"}, {"tags", R"(["ci"])"}, {"x", "null"}};

    auto submission = core::Submission::parse(text);
    if (!submission) {
        // Most fuzzed events name no one: try the rest of the way with a token from the query.
        submission = core::Submission::parse(text, flowrelay::Secret("fromquery"));
    }
    if (!submission) {
        require(!submission.error().message.empty(), "a rejection says why");
        return 0;
    }
    const auto contents = std::move(*submission).complete(defaults);
    if (contents) check_contents(*contents);
    return 0;
}
