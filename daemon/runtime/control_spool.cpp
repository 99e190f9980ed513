// /v1/spool: stands still for a backup; is taken over by another machine; books what is lost.
#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstdint>
#include <optional>
#include <utility>

#include "control_call.hpp"
#include "flowrelay/runtime/storage_freeze.hpp"
#include "storage_answer.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;

namespace {

/// How many events the books can't explain, at a time when nothing else changes them.
std::int64_t unaccounted(const Stores& stores) {
    const auto books = stores.dead_letters->corrected(stores.queue->ledger());
    return books.unaccounted(stores.queue->usage().events);
}

std::optional<std::uint64_t> number_in(const ControlCall& call, std::string_view member) {
    const auto* value = call.body.if_contains(member);
    if (value == nullptr || !value->is_number()) return std::nullopt;
    boost::system::error_code error;
    const auto number = value->to_number<std::uint64_t>(error);
    return error ? std::nullopt : std::optional(number);
}

}  // namespace

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

/// Books exactly as many as its plan has shown: another loss meanwhile has to be seen first.
ControlAnswer book_lost(ControlCall& call) {
    call.target = "the books";
    std::function<std::int64_t(Stores&)> count = [](Stores& stores) { return unaccounted(stores); };
    const auto found = co_await on_storage<std::int64_t>(call.engine, std::move(count));
    if (call.plan) {
        co_return json_response({{"plan", true}, {"unaccounted", *found}});
    }
    const auto events = number_in(call, "events");
    if (!events || *events == 0) {
        co_return control_error(400, "invalid",
                                "\"events\" has to be the number that the plan gives as "
                                "unaccounted, above 0");
    }
    struct Booked {
        std::int64_t found = 0;
        Result<void> result;
    };
    const core::LossBooking booking{call.engine.clock().now().wall, call.peer.uid};
    std::function<Booked(Stores&)> book = [events, booking](Stores& stores) {
        Booked booked;
        booked.found = unaccounted(stores);
        if (booked.found == static_cast<std::int64_t>(*events)) {
            booked.result = stores.queue->book_lost(*events, booking);
        }
        return booked;
    };
    const auto booked = co_await on_storage<Booked>(call.engine, std::move(book));
    if (booked->found != static_cast<std::int64_t>(*events)) {
        co_return control_error(409, "conflict",
                                fmt::format("{} events are unaccounted for now, not {}: look at "
                                            "the plan again",
                                            booked->found, *events));
    }
    if (booked->result.has_error()) co_return control_error(booked->result.error());
    call.result = fmt::format("{} booked as lost", *events);
    co_return json_response({{"lost", *events}});
}

}  // namespace flowrelay::runtime
