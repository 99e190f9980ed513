// /v1/spool: stands still for a backup; is taken over by another machine.
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "control_call.hpp"
#include "flowrelay/runtime/storage_freeze.hpp"
#include "storage_answer.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

ControlAnswer freeze_spool(ControlCall& call) {
    const auto freeze = call.context.freeze;
    if (!freeze->begin()) {
        co_return control_error(409, "conflict", "another backup has the spool stand still");
    }
    const auto io = co_await asio::this_coro::executor;
    Engine& engine = call.engine;
    Ask<bool> still = [&engine, freeze, io](std::function<void(bool)> done) {
        engine.storage().ask([done = std::move(done), freeze, io](Stores&) {
            freeze->hold([&] { asio::post(io, [done] { done(true); }); });
            return std::function<void()>([] {});
        });
    };
    co_await answer_of<bool>(std::move(still));
    call.target = "the spool";
    co_return json_response({{"frozen", true},
                             {"for_ms", StorageFreeze::limit.count()},
                             {"state_directory", call.context.state_directory},
                             {"config_file", call.context.config_file}});
}

ControlAnswer thaw_spool(ControlCall& call) {
    call.target = "the spool";
    co_return json_response({{"stood_still", call.context.freeze->thaw()}});
}

ControlAnswer adopt_spool(ControlCall& call) {
    call.target = "the spool";
    if (!call.engine.deliveries_held()) {
        co_return control_error(409, "conflict",
                                "the spool belongs to this machine: nothing is held");
    }
    if (auto adopted = call.context.adopt(); adopted.has_error()) {
        co_return control_error(adopted.error());
    }
    call.engine.hold_deliveries(false);
    call.engine.wake();
    co_return json_response({{"adopted", true}});
}

}  // namespace flowrelay::runtime
