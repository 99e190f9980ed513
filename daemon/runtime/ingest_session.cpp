#include "flowrelay/runtime/ingest_session.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <chrono>
#include <string>
#include <utility>

#include "flowrelay/runtime/peer.hpp"
#include "http_exchange.hpp"
#include "messages_handler.hpp"
#include "ndjson_stream.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

class IngestSession final : public Session {
public:
    IngestSession(StreamSocket socket, Engine& engine, IngestLimits limits)
        : Session(std::move(socket)), engine_(engine), limits_(limits) {}

    asio::awaitable<void> run() override {
        by_ = submitter_of(socket_.native_handle());
        std::string first(4 * 1024, '\0');
        const auto [error, size] =
            co_await socket_.async_read_some(asio::buffer(first), asio::as_tuple(asio::deferred));
        if (error) co_return;
        first.resize(size);
        // HTTP methods are capital letters; anything else is JSON or gets JSON's answer.
        if (first.front() >= 'A' && first.front() <= 'Z') {
            co_await run_http(std::move(first));
        } else {
            const auto stream =
                std::make_shared<NdjsonStream>(socket_, deadline_, engine_, limits_, by_);
            co_await stream->run(std::move(first));
        }
    }

private:
    asio::awaitable<void> run_http(std::string first) {
        HttpLimits http_limits;
        http_limits.request.body = std::max(limits_.max_batch_size, limits_.max_event_size);
        http_limits.stall_timeout = limits_.stall_timeout;
        const HttpHandler handler = [this](const http::RequestReader& request) {
            return handle_messages(request, engine_, limits_, by_);
        };
        co_await serve_http(socket_, deadline_, std::move(first), http_limits, handler);
    }

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
