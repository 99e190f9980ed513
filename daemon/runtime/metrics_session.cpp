#include "flowrelay/runtime/metrics_session.hpp"

#include <boost/asio/awaitable.hpp>
#include <string>
#include <utility>

#include "flowrelay/runtime/engine_operations.hpp"
#include "flowrelay/runtime/metrics.hpp"
#include "http_exchange.hpp"
#include "web_guard.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

asio::awaitable<http::Response> answer(const http::RequestReader& reader, Engine& engine,
                                       const ControlContext& context, bool on_loopback) {
    const http::Request& request = reader.request();
    if (on_loopback) {
        const std::string_view problem = problem_of_host(reader);
        if (!problem.empty()) co_return error_response(403, problem);
    }
    if (request.path != "/metrics") {
        co_return error_response(404, "there is no such resource: GET /metrics");
    }
    if (request.method != "GET" && request.method != "HEAD") {
        http::Response response = error_response(405, "use GET");
        response.fields.emplace_back("Allow", "GET, HEAD");
        co_return response;
    }
    const auto format = metrics_format(reader.field("Accept"));
    const auto snapshot = co_await operations::snapshot(engine);
    http::Response response;
    response.content_type = metrics_content_type(format);
    response.body = metrics_report(format, engine, snapshot, context);
    co_return response;
}

class MetricsSession final : public Session {
public:
    MetricsSession(StreamSocket socket, Engine& engine, const ControlContext& context)
        : Session(std::move(socket)), engine_(engine), context_(context) {}

    asio::awaitable<void> run() override {
        const bool on_loopback = listens_on_loopback(socket_);
        HttpService service;
        service.handler = [this, on_loopback](const http::RequestReader& request) {
            return answer(request, engine_, context_, on_loopback);
        };
        HttpLimits limits;
        limits.request.body = 0;
        std::string nothing_yet;
        co_await serve_http(socket_, deadline_, std::move(nothing_yet), limits, service);
    }

private:
    Engine& engine_;
    const ControlContext& context_;
};

}  // namespace

std::shared_ptr<Session> make_metrics_session(StreamSocket socket, Engine& engine,
                                              const ControlContext& context) {
    return std::make_shared<MetricsSession>(std::move(socket), engine, context);
}

}  // namespace flowrelay::runtime
