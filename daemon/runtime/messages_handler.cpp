#include "messages_handler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "answer.hpp"
#include "flowrelay/base/utf8.hpp"
#include "flowrelay/core/json.hpp"
#include "http_exchange.hpp"
#include "web_guard.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
using core::RejectCode;
using core::Rejection;

namespace {

// Maximum bytes of reasons for the rejected events of one batch; further reasons are left out.
constexpr std::size_t max_reasons = 256 * 1024;

// Assumed memory of the answer to one event of a batch, until the producer has read it, in bytes.
constexpr std::size_t answer_weight = 256;

// Interval of checks while a batch waits for memory for its answers.
constexpr Milliseconds look_again_after{100};

// Maximum time that a batch occupies the I/O thread without a break.
constexpr Milliseconds max_stretch{2};

std::size_t size_of(const Rejection& rejection) {
    std::size_t size = rejection.message.size();
    for (const auto& [field, messages] : rejection.errors) {
        size += field.size();
        for (const auto& message : messages) size += message.size();
    }
    return size;
}

/// Collects the answers of one request, which arrive in any order.
struct Gathering {
    Gathering(const asio::any_io_executor& io, std::size_t count)
        : answers(count), missing(count), complete(io, asio::steady_timer::time_point::max()) {}

    void put(std::size_t index, Answer answer) {
        if (answer.rejection) shorten(*answer.rejection);
        answers[index] = std::move(answer);
        if (--missing == 0) complete.cancel();
    }

    std::vector<Answer> answers;
    std::size_t missing;
    asio::steady_timer complete;

private:
    void shorten(Rejection& rejection) {
        reasons_ += size_of(rejection);
        if (reasons_ <= max_reasons) return;
        rejection.errors.clear();
        rejection.message = "as others of this batch, whose answers say why";
    }

    std::size_t reasons_ = 0;
};

/// The events of a body, as views of it; more than one only for a batch.
struct Batch {
    std::vector<std::string_view> events;
    bool single = false;
    bool lines = false;
};

Rejection too_many_events() {
    return {RejectCode::too_large,
            fmt::format("a batch has at most {} events: send the others in another request",
                        max_batch_events),
            {},
            {}};
}

using Split = boost::system::result<Batch, Rejection>;

Split split_lines(std::string_view body) {
    Batch batch;
    batch.lines = true;
    while (!body.empty()) {
        const std::size_t end = std::min(body.find('\n'), body.size());
        const std::string_view line = body.substr(0, end);
        if (line.find_first_not_of(" \t\r") != std::string_view::npos) {
            if (batch.events.size() == max_batch_events) return too_many_events();
            batch.events.push_back(line);
        }
        body.remove_prefix(std::min(end + 1, body.size()));
    }
    if (batch.events.empty()) {
        return Rejection{RejectCode::invalid_json,
                         "there is nothing in the body: send events, one JSON object a line",
                         {},
                         {}};
    }
    return batch;
}

Split split_json(std::string_view body) {
    Batch batch;
    body = core::json::skip_byte_order_mark(body);
    const std::size_t start = body.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos || body[start] != '[') {
        batch.single = true;
        batch.events.push_back(body);
        return batch;
    }
    // Describe the error as for a single event.
    if (core::json::check(body)) {
        return core::Submission::parse(body, std::nullopt, core::TextForm::body).error();
    }
    for (core::json::ElementReader in(core::json::trim(body)); in.next();) {
        if (batch.events.size() == max_batch_events) return too_many_events();
        batch.events.push_back(in.value());
    }
    if (batch.events.empty()) {
        return Rejection{RejectCode::invalid_json, "the array has no event", {}, {}};
    }
    return batch;
}

Split split_body(const http::Request& request) {
    const bool as_lines = request.content_type == "application/x-ndjson";
    return as_lines ? split_lines(request.body) : split_json(request.body);
}

Answer stopping(Engine& engine, const core::Submitter& by) {
    return engine.refuse({RejectCode::shutting_down,
                          "the relay is stopping: hand the event in again in a moment",
                          {},
                          Milliseconds(2000)},
                         by);
}

/// Shortens text from a request and makes it valid UTF-8, for use in an answer.
std::string quoted(std::string_view text) {
    constexpr std::size_t most = 64;
    return repair_utf8(text.substr(0, most));
}

bool is_messages(std::string_view path) {
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path == "/messages" || path == "/v1/messages";
}

/// Why a body's type is refused, and the header field that lists the supported ones.
struct TypeProblem {
    std::string message;
    http::Field hint;
};

std::optional<TypeProblem> problem_of_type(const http::RequestReader& reader, bool over_tcp) {
    const http::Request& request = reader.request();
    const std::string_view encoding = reader.field("Content-Encoding");
    if (!encoding.empty() && encoding != "identity") {
        return TypeProblem{
            fmt::format("the body is compressed (Content-Encoding: {}): send it as it "
                        "is, uncompressed",
                        quoted(encoding)),
            {"Accept-Encoding", "identity"}};
    }
    const std::string_view type = request.content_type;
    if (type == "application/json" || type == "application/x-ndjson") return std::nullopt;
    constexpr http::Field types{"Accept", "application/json, application/x-ndjson"};
    constexpr std::string_view right =
        "send application/json (one event, or an array of them) or application/x-ndjson (lines)";
    // Over TCP, a web page can send a body without a type.
    if (type.empty() && !over_tcp) return std::nullopt;
    if (type.empty()) return TypeProblem{fmt::format("the body has no type: {}", right), types};
    if (type == "application/x-www-form-urlencoded") {
        return TypeProblem{fmt::format("forms are not supported (`curl -d` says that it sends one, "
                                       "unless told -H 'Content-Type: application/json'): {}",
                                       right),
                           types};
    }
    return TypeProblem{fmt::format("the body is {}: {}", quoted(type), right), types};
}

Rejection rejection_of(RejectCode code, std::string_view message) {
    return {code, std::string(message), {}, {}};
}

/// Returns the answer to a request that submits no events; counts each as a rejection.
std::optional<http::Response> refuse_request(const http::RequestReader& reader, Engine& engine,
                                             const core::Submitter& by, bool over_tcp) {
    const http::Request& request = reader.request();
    const auto refuse = [&](RejectCode code, std::string_view message) {
        engine.refuse(rejection_of(code, message), by);
        return error_response(http_status(code), message);
    };
    if (over_tcp) {
        const std::string_view problem = problem_of_web_page(reader);
        if (!problem.empty()) return refuse(RejectCode::not_allowed, problem);
    }
    if (!is_messages(request.path)) {
        return refuse(RejectCode::not_found,
                      "this relay takes POST /messages and POST /v1/messages, nothing else of the "
                      "API");
    }
    if (request.method != "POST") {
        http::Response response =
            refuse(RejectCode::wrong_method, "use POST (methods are capital letters)");
        response.fields.emplace_back("Allow", "POST");
        return response;
    }
    if (const auto problem = problem_of_type(reader, over_tcp)) {
        http::Response response = refuse(RejectCode::unsupported_type, problem->message);
        response.fields.emplace_back(problem->hint.name, problem->hint.value);
        return response;
    }
    return std::nullopt;
}

void submit(Engine& engine, const IngestLimits& limits, std::string_view event, core::TextForm form,
            const std::optional<Secret>& token, const core::Submitter& by,
            std::shared_ptr<Gathering> gathering, std::size_t index) {
    if (event.size() > limits.max_event_size) {
        gathering->put(index, engine.refuse(too_large(limits.max_event_size), by));
        return;
    }
    auto submission = core::Submission::parse(event, token, form);
    if (submission.has_error()) {
        gathering->put(index, engine.refuse(submission.error(), by));
        return;
    }
    engine.submit(
        std::move(*submission),
        [gathering = std::move(gathering), index](const Answer& answer) {
            gathering->put(index, answer);
        },
        engine.clock().now(), by);
}

}  // namespace

asio::awaitable<http::Response> handle_messages(const http::RequestReader& reader, Engine& engine,
                                                IngestLimits limits, const core::Submitter& by,
                                                bool over_tcp, IngestBudget::Share& answers,
                                                const std::function<bool()>& wanted) {
    const http::Request& request = reader.request();
    if (auto refused = refuse_request(reader, engine, by, over_tcp)) co_return std::move(*refused);

    auto split = split_body(request);
    if (split.has_error()) co_return to_response(engine.refuse(split.error(), by));
    const auto io = co_await asio::this_coro::executor;
    const std::size_t weight = split->events.size() * answer_weight;
    if (!answers.resize(weight)) {
        split = Batch();  // the views take more memory than the body
        asio::steady_timer pause(io);
        const MonoTime until = engine.clock().now().mono + limits.batch_patience;
        bool has_room = false;
        while (wanted() && !has_room && engine.clock().now().mono < until) {
            pause.expires_after(look_again_after);
            co_await pause.async_wait(asio::as_tuple(asio::deferred));
            has_room = answers.resize(weight);
        }
        if (wanted() && !has_room) co_return to_response(engine.refuse(no_room_for_answers(), by));
        if (!wanted()) co_return to_response(stopping(engine, by));
        split = split_body(request);
    }
    const Batch& batch = *split;
    const auto form = batch.lines ? core::TextForm::line : core::TextForm::body;

    std::optional<Secret> token;
    auto query_token = http::query_parameter(request.query, "flow_token");
    if (!query_token.empty()) token = Secret(std::move(query_token));

    const auto gathering = std::make_shared<Gathering>(io, batch.events.size());
    MonoTime since = engine.clock().now().mono;
    std::optional<unsigned> left;  // events left in the turn; the first event needs no turn
    std::size_t submitted = 0;
    for (; submitted < batch.events.size(); ++submitted) {
        const bool long_enough = engine.clock().now().mono - since >= max_stretch;
        if (long_enough || !(left ? engine.may_go_on(*left) : engine.may_begin())) {
            co_await engine.wait_for_turn();
            if (!wanted()) break;  // the relay is stopping
            since = engine.clock().now().mono;
            left = Engine::events_of_turn;
        }
        left = left ? *left - 1 : engine.rest_of_turn();
        submit(engine, limits, batch.events[submitted], form, token, by, gathering, submitted);
    }
    for (; submitted < batch.events.size(); ++submitted) {
        gathering->put(submitted, stopping(engine, by));
    }
    while (gathering->missing > 0) {
        co_await gathering->complete.async_wait(asio::as_tuple(asio::deferred));
    }
    if (batch.single) co_return to_response(gathering->answers.front());
    co_return to_response(gathering->answers, batch.lines);
}

}  // namespace flowrelay::runtime
