#include "flowrelay/runtime/control_session.hpp"

#include <string>
#include <utility>

#include "control_routes.hpp"
#include "flowrelay/runtime/peer.hpp"
#include "http_exchange.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

class ControlSession final : public Session {
public:
    ControlSession(StreamSocket socket, Engine& engine, const ControlContext& context)
        : Session(std::move(socket)), engine_(engine), context_(context) {}

    asio::awaitable<void> run() override {
        const auto peer = peer_of(socket_.native_handle());
        if (!peer) co_return;  // a Unix socket always has one
        HttpService service;
        service.idle = &idle_;
        service.handler = [this, &peer](const http::RequestReader& request) {
            return answer_control(request, engine_, context_, *peer);
        };
        std::string nothing_yet;
        co_await serve_http(socket_, deadline_, std::move(nothing_yet), HttpLimits(), service);
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

}  // namespace flowrelay::runtime
