#include "messages_handler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/core/json.hpp"
#include "flowrelay/runtime/answer.hpp"
#include "http_exchange.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
using core::RejectCode;
using core::Rejection;

namespace {

/// Collects the answers of one request, in any order in which they come.
struct Gathering {
    Gathering(const asio::any_io_executor& io, std::size_t count)
        : answers(count), missing(count), complete(io, asio::steady_timer::time_point::max()) {}

    void put(std::size_t index, Answer answer) {
        answers[index] = std::move(answer);
        if (--missing == 0) complete.cancel();
    }

    std::vector<Answer> answers;
    std::size_t missing;
    asio::steady_timer complete;
};

Answer refuse(Rejection rejection) {
    Answer answer;
    answer.rejection = std::move(rejection);
    return answer;
}

Rejection too_large(std::uint64_t limit) {
    return {RejectCode::too_large,
            fmt::format("the event is over {} bytes (ingest.max_event_size)", limit),
            {},
            {}};
}

/// The events of a body as views of it; more than one only for a batch.
struct Batch {
    std::vector<std::string_view> events;
    bool single = false;
    bool lines = false;
};

Batch split_lines(std::string_view body) {
    Batch batch;
    batch.lines = true;
    while (!body.empty()) {
        const std::size_t end = std::min(body.find('\n'), body.size());
        const std::string_view line = body.substr(0, end);
        if (line.find_first_not_of(" \t\r") != std::string_view::npos) batch.events.push_back(line);
        body.remove_prefix(std::min(end + 1, body.size()));
    }
    return batch;
}

boost::system::result<Batch, Rejection> split_json(std::string_view body) {
    Batch batch;
    const std::size_t start = body.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos || body[start] != '[') {
        batch.single = true;
        batch.events.push_back(body);
        return batch;
    }
    if (const auto error = core::json::check(body)) {
        return Rejection{RejectCode::invalid_json,
                         fmt::format("{} near byte {}", error->message, error->offset),
                         {},
                         {}};
    }
    for (core::json::ElementReader in(core::json::trim(body)); in.next();) {
        batch.events.push_back(in.value());
    }
    return batch;
}

bool is_json(std::string_view type) {
    return type.empty() || type == "application/json";
}

std::optional<http::Response> refuse_request(const http::Request& request) {
    if (request.path != "/messages" && request.path != "/v1/messages") {
        return error_response(404,
                              "this relay takes POST /messages and POST /v1/messages, nothing else "
                              "of the API");
    }
    if (request.method != "POST") {
        http::Response response = error_response(405, "use POST");
        response.fields.emplace_back("Allow", "POST");
        return response;
    }
    if (!is_json(request.content_type) && request.content_type != "application/x-ndjson") {
        return error_response(415,
                              "send application/json (one event, or an array of them) or "
                              "application/x-ndjson; form bodies are not supported");
    }
    return std::nullopt;
}

void submit(Engine& engine, const IngestLimits& limits, std::string_view event,
            const std::optional<Secret>& token, const core::Submitter& by,
            std::shared_ptr<Gathering> gathering, std::size_t index) {
    if (event.size() > limits.max_event_size) {
        gathering->put(index, refuse(too_large(limits.max_event_size)));
        return;
    }
    auto submission = core::Submission::parse(event, token);
    if (submission.has_error()) {
        gathering->put(index, refuse(submission.error()));
        return;
    }
    engine.submit(
        std::move(*submission),
        [gathering, index](const Answer& answer) { gathering->put(index, answer); },
        engine.clock().now(), by);
}

}  // namespace

asio::awaitable<http::Response> handle_messages(const http::RequestReader& reader, Engine& engine,
                                                IngestLimits limits, const core::Submitter& by) {
    const http::Request& request = reader.request();
    if (auto refused = refuse_request(request)) co_return std::move(*refused);

    boost::system::result<Batch, Rejection> split = split_lines({});
    if (request.content_type == "application/x-ndjson") {
        split = split_lines(request.body);
    } else {
        split = split_json(request.body);
    }
    if (split.has_error()) co_return to_response(refuse(split.error()));
    const Batch& batch = *split;
    if (batch.events.empty()) co_return error_response(400, "the batch has no event");

    std::optional<Secret> token;
    auto query_token = http::query_parameter(request.query, "flow_token");
    if (!query_token.empty()) token = Secret(std::move(query_token));

    const auto io = co_await asio::this_coro::executor;
    const auto gathering = std::make_shared<Gathering>(io, batch.events.size());
    for (std::size_t i = 0; i < batch.events.size(); ++i) {
        if (!engine.has_room()) co_await engine.wait_for_room();
        submit(engine, limits, batch.events[i], token, by, gathering, i);
    }
    while (gathering->missing > 0) {
        co_await gathering->complete.async_wait(asio::as_tuple(asio::deferred));
    }
    if (batch.single) co_return to_response(gathering->answers.front());
    co_return to_response(gathering->answers, batch.lines);
}

}  // namespace flowrelay::runtime
