#include "flowrelay/runtime/control_session.hpp"

#include <poll.h>

#include <cstdint>
#include <string>
#include <utility>

#include "control_call.hpp"
#include "control_routes.hpp"
#include "flowrelay/runtime/peer.hpp"
#include "http_exchange.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

// Enough for a thousand ids of maximum length.
constexpr std::uint64_t max_body = 256 * 1024;

/// Returns whether the peer has closed the connection completely. A peer that has only finished
/// sending may still wait for the answer.
bool has_hung_up(int fd) {
    pollfd state{fd, 0, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

class ControlSession final : public Session {
public:
    ControlSession(StreamSocket socket, Engine& engine, const ControlContext& context)
        : Session(std::move(socket)), engine_(engine), context_(context) {}

    asio::awaitable<void> run() override {
        const auto peer = peer_of(socket_.native_handle());
        if (!peer) co_return;  // a Unix socket always has one
        const Wanted wanted = [this] {
            return !is_aborted() && !has_hung_up(socket_.native_handle());
        };
        HttpService service;
        service.idle = &idle_;
        service.handler = [this, &peer, &wanted](const http::RequestReader& request) {
            return answer_control(request, engine_, context_, *peer, wanted);
        };
        service.refuse = [](http::ReadStatus status, std::string_view problem) {
            const HttpProblem what = http_problem(status, problem);
            return control_error(what.status, "invalid", what.message);
        };
        HttpLimits limits;
        limits.request.body = max_body;
        std::string nothing_yet;
        co_await serve_http(socket_, deadline_, std::move(nothing_yet), limits, service);
    }

private:
    Engine& engine_;
    const ControlContext& context_;
};

}  // namespace

std::shared_ptr<Session> make_control_session(StreamSocket socket, Engine& engine,
                                              const ControlContext& context) {
    return std::make_shared<ControlSession>(std::move(socket), engine, context);
}

bool may_change_over(int fd, const ControlContext& context) {
    const auto peer = peer_of(fd);
    return peer && may_change(*peer, context);
}

std::string busy_control_answer() {
    http::Response response =
        control_error(503, "busy", "too many connections are open: try again later");
    response.keep_alive = false;
    std::string answer;
    http::append_response(answer, response);
    return answer;
}

}  // namespace flowrelay::runtime
