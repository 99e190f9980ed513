#include "flowrelay/runtime/ingest_session.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <string>
#include <utility>

#include "answer.hpp"
#include "flowrelay/runtime/peer.hpp"
#include "http_exchange.hpp"
#include "messages_handler.hpp"
#include "ndjson_stream.hpp"
#include "opening.hpp"
#include "web_guard.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

class IngestSession final : public Session {
public:
    IngestSession(StreamSocket socket, Engine& engine, IngestLimits limits)
        : Session(std::move(socket)), engine_(engine), limits_(limits) {}

    asio::awaitable<void> run() override {
        by_ = submitter_of(socket_.native_handle());
        std::string first;
        const auto opening = co_await read_opening(first);
        switch (opening) {
            case Opening::lines:
                co_await run_lines(std::move(first));
                break;
            case Opening::http:
                co_await run_http(std::move(first));
                break;
            case Opening::neither:
                co_await refuse_opening(std::move(first));
                break;
            case Opening::unknown:
                break;
        }
    }

    void watch(MonoTime now) override {
        if (const auto stream = stream_.lock()) stream->watch(now);
    }

private:
    /// Reads until the producer's protocol is known. `unknown`: it closed the connection before.
    asio::awaitable<Opening> read_opening(std::string& first) {
        Opening opening = Opening::unknown;
        while (opening == Opening::unknown) {
            // There is no limit on leading empty lines.
            if (skip_before_opening(first).empty() && first.size() > 8) first.clear();
            const std::size_t kept = first.size();
            first.resize(kept + 4 * 1024);
            const auto [error, size] = co_await socket_.async_read_some(
                asio::buffer(first.data() + kept, first.size() - kept),
                asio::as_tuple(asio::deferred));
            first.resize(kept + size);
            if (error) {
                // The last line may lack its line break.
                opening = opening_of(first + '\n');
                break;
            }
            opening = opening_of(first);
            if (opening == Opening::unknown && !skip_before_opening(first).empty()) {
                deadline_ = std::chrono::steady_clock::now() + limits_.stall_timeout;
            }
        }
        deadline_ = MonoTime::max();
        co_return opening;
    }

    asio::awaitable<void> run_lines(std::string first) {
        const auto stream =
            std::make_shared<NdjsonStream>(socket_, deadline_, engine_, limits_, by_);
        stream_ = stream;
        co_await stream->run(std::move(first));
    }

    /// Sends one rejection and ends the connection: its protocol is unknown, so further input can't
    /// be interpreted.
    asio::awaitable<void> refuse_opening(std::string first) {
        const std::string_view line = std::string_view(first).substr(0, first.find('\n'));
        core::Rejection rejection{core::RejectCode::invalid_json, {}, {}, {}};
        const auto parsed = core::Submission::parse(line);
        if (parsed.has_error()) rejection.message = parsed.error().message;
        if (const auto problem = problem_of_opening(line); !problem.empty()) {
            rejection.message = problem;
        }
        std::string answer;
        append_answer(answer, engine_.refuse(std::move(rejection), by_));
        answer += '\n';
        deadline_ = std::chrono::steady_clock::now() + limits_.stall_timeout;
        const auto [error, size] = co_await asio::async_write(socket_, asio::buffer(answer),
                                                              asio::as_tuple(asio::deferred));
        if (!error) co_await linger(socket_, deadline_);
    }

    asio::awaitable<void> run_http(std::string first) {
        first.erase(0, first.size() - skip_before_opening(first).size());
        HttpLimits http_limits;
        http_limits.request.body = std::max(limits_.max_batch_size, limits_.max_event_size);
        http_limits.stall_timeout = limits_.stall_timeout;
        const bool over_tcp = is_tcp(socket_);
        IngestBudget::Share share(engine_.unfinished());
        HttpService service;
        service.share = &share;
        IngestBudget::Share answers(engine_.unread());
        service.answers = &answers;
        const std::function<bool()> wanted = [this] { return !is_aborted(); };
        service.handler = [this, over_tcp, &answers, &wanted](const http::RequestReader& request) {
            return handle_messages(request, engine_, limits_, by_, over_tcp, answers, wanted);
        };
        service.refuse = [this](http::ReadStatus status, std::string_view problem) {
            const HttpProblem what = http_problem(status, problem);
            const auto code = status == http::ReadStatus::bad_request
                                  ? core::RejectCode::bad_request
                                  : core::RejectCode::too_large;
            engine_.refuse({code, what.message, {}, {}}, by_);
            return error_response(what.status, what.message);
        };
        service.cut_short = [this] {
            engine_.refuse({core::RejectCode::bad_request,
                            "the connection ended in the middle of a request",
                            {},
                            {}},
                           by_);
        };
        service.no_room = [this] {
            return to_response(engine_.refuse(too_much_unfinished(), by_));
        };
        co_await serve_http(socket_, deadline_, std::move(first), http_limits, service);
    }

    std::weak_ptr<NdjsonStream> stream_;
    Engine& engine_;
    IngestLimits limits_;
    core::Submitter by_;
};

}  // namespace

std::shared_ptr<Session> make_ingest_session(StreamSocket socket, Engine& engine,
                                             IngestLimits limits) {
    return std::make_shared<IngestSession>(std::move(socket), engine, limits);
}

}  // namespace flowrelay::runtime
