// /v1/spool: freezes the spool for a backup, adopts it on another machine, books losses.
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

using Missing = storage::Spool::Missing;

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
        engine.storage().ask([done = std::move(done), freeze, io](storage::Spool&) {
            const bool held = freeze->hold([&] { asio::post(io, [done] { done(true); }); });
            return std::function<void()>([done, held] {
                if (!held) done(false);
            });
        });
    };
    call.target = "the spool";
    const auto stands_still = co_await answer_of<bool>(std::move(still));
    if (!*stands_still) {
        co_return control_error(409, "conflict",
                                "the spool was thawed before it stood still: begin again");
    }
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
    if (!call.relay().destination().deliveries_held()) {
        co_return control_error(409, "conflict",
                                "the spool belongs to this machine: nothing is held");
    }
    if (auto adopted = call.context.adopt(); adopted.has_error()) {
        co_return control_error(adopted.error());
    }
    call.relay().destination().hold_deliveries(false);
    call.engine.wake();
    co_return json_response({{"adopted", true}});
}

/// Books exactly the loss that the plan has shown. If the loss has changed since, the operator must
/// see it first.
ControlAnswer book_lost(ControlCall& call) {
    call.target = "the books";
    std::function<Missing(storage::Spool&)> look = [](storage::Spool& spool) {
        return spool.missing();
    };
    const auto now = co_await on_storage<Missing>(call.engine, std::move(look));
    if (call.plan) {
        co_return json_response({{"plan", true},
                                 {"unaccounted", now->unaccounted},
                                 {"missing_letters", now->letters.letters()}});
    }
    const auto events = number_in(call, "events");
    const std::uint64_t letters = number_in(call, "letters").value_or(0);
    if (!events || *events + letters == 0) {
        co_return control_error(
            400, "invalid",
            "\"events\" and \"letters\" have to be the numbers that the plan gives as unaccounted "
            "and as missing_letters, not both 0; \"letters\" may be left out");
    }
    struct Booked {
        Missing found;
        bool as_planned = false;
        Result<void> result;
    };
    const core::LossBooking booking{call.engine.clock().now().wall, call.peer.uid};
    std::function<Booked(storage::Spool&)> book = [events, letters,
                                                   booking](storage::Spool& spool) {
        Booked booked{spool.missing(), false, {}};
        if (letters == 0) booked.found.letters = {};
        core::Loss loss = booked.found.letters;
        loss.unaccounted = *events;
        booked.as_planned = booked.found.unaccounted == static_cast<std::int64_t>(*events) &&
                            loss.letters() == letters;
        if (booked.as_planned) booked.result = spool.book_lost(loss, booking);
        return booked;
    };
    const auto booked = co_await on_storage<Booked>(call.engine, std::move(book));
    if (!booked->as_planned) {
        co_return control_error(
            409, "conflict",
            fmt::format("{} events are unaccounted for and {} dead letters missing now, not {} "
                        "and {}: look at the plan again",
                        booked->found.unaccounted, booked->found.letters.letters(), *events,
                        letters));
    }
    if (booked->result.has_error()) co_return control_error(booked->result.error());
    call.result = fmt::format("{} booked as lost", *events + letters);
    co_return json_response({{"lost", *events + letters}});
}

}  // namespace flowrelay::runtime
