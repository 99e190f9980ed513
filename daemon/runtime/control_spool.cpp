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
/// What can be booked as lost.
struct Lost {
    std::int64_t unaccounted = 0;  ///< below 0: there are more outcomes than events
    core::Loss letters;            ///< those that are missing

    core::Loss whole() const {
        return {static_cast<std::uint64_t>(unaccounted), letters.dead, letters.expired};
    }
};

Lost find_lost(const Stores& stores) {
    const core::Ledger ledger = stores.queue->ledger();
    const auto books = stores.dead_letters->corrected(ledger);
    return {books.unaccounted(stores.queue->usage().events),
            stores.dead_letters->missing_loss(ledger)};
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
    if (!call.relay().deliveries_held()) {
        co_return control_error(409, "conflict",
                                "the spool belongs to this machine: nothing is held");
    }
    if (auto adopted = call.context.adopt(); adopted.has_error()) {
        co_return control_error(adopted.error());
    }
    call.relay().hold_deliveries(false);
    call.engine.wake();
    co_return json_response({{"adopted", true}});
}

/// Books exactly what its plan has shown: another loss meanwhile has to be seen first.
ControlAnswer book_lost(ControlCall& call) {
    call.target = "the books";
    std::function<Lost(Stores&)> look = [](Stores& stores) { return find_lost(stores); };
    const auto now = co_await on_storage<Lost>(call.engine, std::move(look));
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
        Lost found;
        bool as_planned = false;
        Result<void> result;
    };
    const core::LossBooking booking{call.engine.clock().now().wall, call.peer.uid};
    std::function<Booked(Stores&)> book = [events, letters, booking](Stores& stores) {
        Booked booked{find_lost(stores), false, {}};
        if (letters == 0) booked.found.letters = {};
        booked.as_planned = booked.found.unaccounted == static_cast<std::int64_t>(*events) &&
                            booked.found.letters.letters() == letters;
        if (booked.as_planned) {
            booked.result = stores.queue->book_lost(booked.found.whole(), booking);
            // Should it fail, the next start tells of the damage again, and it can be booked again.
            if (letters > 0 && booked.result.has_value()) {
                static_cast<void>(stores.dead_letters->drop_damage());
            }
        }
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
