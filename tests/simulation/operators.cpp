// Operators' requests to a process: the operations of the control socket, without the socket.
#include <algorithm>
#include <utility>

#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "flowrelay/runtime/spawn.hpp"
#include "relay_process.hpp"

namespace flowrelay::test {

namespace operations = runtime::operations;

void RelayProcess::run(Call call) {
    ++calls_;
    auto counted = [](RelayProcess& process, Call inner) -> Call {
        co_await std::move(inner);
        --process.calls_;
    };
    runtime::spawn(io_.get_executor(), counted(*this, std::move(call)));
    turn();
}

void RelayProcess::replay(std::vector<Seq> letters) {
    around_.model.may_be_replayed(letters);
    engine_->replay(std::move(letters), [](const Result<std::uint64_t>&) {});
    turn();
}

void RelayProcess::drop(std::vector<Seq> events) {
    if (!std::exchange(dropping_, true)) run(drop_each(std::move(events)));
}

void RelayProcess::drop_letters(std::vector<Seq> letters) {
    if (!std::exchange(dropping_, true)) run(drop_each_letter(std::move(letters)));
}

RelayProcess::Call RelayProcess::drop_each(std::vector<Seq> events) {
    const auto turn = co_await operations::wait_for_turn(*engine_);
    for (const Seq seq : events) {
        std::string what = std::to_string(to_number(seq));
        auto found = co_await operations::find_event(*engine_, std::move(what));
        if (found.has_error() || !*found) continue;
        std::vector<runtime::ListedEvent> listed;
        listed.push_back(std::move(**found));
        if (!around_.model.drop_begins(seq, false)) continue;
        const auto count = co_await operations::drop(*engine_, std::move(listed));
        Model::Drop how = Model::Drop::failed;
        if (count.has_value()) how = count->dropped == 1 ? Model::Drop::done : Model::Drop::refused;
        around_.model.drop_ends(seq, how, around_.agenda.now());
    }
    dropping_ = false;
}

RelayProcess::Call RelayProcess::drop_each_letter(std::vector<Seq> letters) {
    for (const Seq seq : letters) {
        if (!around_.model.drop_begins(seq, true)) continue;
        std::vector<Seq> one(1, seq);
        const auto removed = co_await operations::drop_dead(*engine_, std::move(one));
        Model::Drop how = Model::Drop::failed;
        if (removed.has_value()) how = *removed == 1 ? Model::Drop::done : Model::Drop::refused;
        around_.model.drop_ends(seq, how, around_.agenda.now());
    }
    dropping_ = false;
}

void RelayProcess::retry(Seq event) {
    if (!relay_->destination().scheduler().try_now(event, around_.agenda.now())) return;
    around_.model.retried(event, around_.agenda.now());
    engine_->wake();
    turn();
}

void RelayProcess::pause(std::size_t slot) {
    run(set_paused(slot, true));
}

void RelayProcess::resume(std::size_t slot) {
    run(set_paused(slot, false));
}

RelayProcess::Call RelayProcess::set_paused(std::size_t slot, bool paused) {
    const auto id = around_.model.slots().at(slot).id;
    if (!id) co_return;
    const Now now = around_.agenda.now();
    auto entry = paused ? relay_->lifecycle().pause_source(*id, now)
                        : relay_->lifecycle().resume_source(*id, now);
    if (entry.has_error()) co_return;
    const std::uint64_t change = around_.model.pause_begins(slot, paused);
    const auto saved = co_await operations::save(*engine_, std::move(*entry));
    if (saved.has_value()) around_.model.pause_saved(slot, change);
}

void RelayProcess::reload() {
    const Now now = around_.agenda.now();
    options_.relay.destination = around_.setup.destination();
    relay_->set_options(options_.relay);
    relay_->destination().scheduler().try_destination_now(now);
    auto entries = relay_->configure(sources(), now);
    const bool changes = around_.model.configured();
    bind_slots();
    if (!entries.empty() && !changes) {
        around_.model.violation("a configuration changes something that is not in it");
    }
    if (!entries.empty()) {
        std::vector<TokenId> ids;
        for (const auto& entry : entries) ids.push_back(entry.id);
        const std::size_t change = around_.model.slots().change();
        engine_->save(std::move(entries), [this, ids, change](const Result<void>& put) {
            if (put.has_value()) around_.model.slots_saved(ids, change);
        });
    }
    around_.model.reloaded(now);
    engine_->wake();
    turn();
}

void RelayProcess::set_letter_limits(const core::DeadLetterLimits& limits) {
    options_.relay.dead_letters = limits;
    around_.model.set_letter_limits(limits);
    reload();
}

}  // namespace flowrelay::test
