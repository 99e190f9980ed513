// What operators ask of a process: the calls of the control socket, without the socket.
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

std::optional<TokenId> RelayProcess::slot_of(std::size_t token) {
    if (const auto known = slots_.find(token); known != slots_.end()) return known->second;
    const auto print =
        fingerprint(around_.setup.secret(token), storage_->stores().registry->salt());
    for (const auto& [id, slot] : relay_->tokens().all()) {
        if (slot.entry.fingerprint == print) return slots_[token] = id;
    }
    return std::nullopt;
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
    if (!relay_->hurry(event, around_.agenda.now())) return;
    around_.model.retried(event, around_.agenda.now());
    engine_->wake();
    turn();
}

void RelayProcess::pause(std::size_t token) {
    run(set_paused(token, true));
}

void RelayProcess::resume(std::size_t token) {
    run(set_paused(token, false));
}

RelayProcess::Call RelayProcess::set_paused(std::size_t token, bool paused) {
    const auto slot = slot_of(token);
    if (!slot) co_return;
    const Now now = around_.agenda.now();
    auto entry = paused ? relay_->pause_source(*slot, now) : relay_->resume_source(*slot, now);
    if (entry.has_error()) co_return;
    const std::uint64_t change = around_.model.pause_begins(token, paused);
    const auto saved = co_await operations::save(*engine_, std::move(*entry));
    if (saved.has_value()) around_.model.pause_saved(token, change);
}

void RelayProcess::reload(bool changed) {
    const Now now = around_.agenda.now();
    options_.relay.destination = around_.setup.destination();
    relay_->set_options(options_.relay);
    relay_->try_destination_now(now);
    auto entries = relay_->configure(sources(), now);
    if (!entries.empty() && !changed) {
        around_.model.violation("the same configuration changes something");
    }
    if (!entries.empty()) {
        std::vector<TokenId> ids;
        for (const auto& entry : entries) ids.push_back(entry.id);
        storage_->put_tokens(std::move(entries), [this, ids](const Result<void>& put) {
            if (put.has_error()) return;
            for (const TokenId id : ids) relay_->tokens().mark_durable(id);
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

void RelayProcess::enable(std::size_t token) {
    run(take_410_back(token));
}

RelayProcess::Call RelayProcess::take_410_back(std::size_t token) {
    const auto slot = slot_of(token);
    if (!slot) co_return;
    auto backlog = co_await operations::backlog_to_go_on_with(*engine_, *slot);
    if (backlog.has_error()) co_return;
    std::vector<core::Relay::StoredBacklog> backlogs;
    backlogs.push_back({*slot, backlog->queued, backlog->first, std::move(backlog->replays)});
    auto entry = relay_->enable_source(backlogs, around_.agenda.now());
    if (entry.has_error()) co_return;
    around_.server.restore_token(token);
    around_.model.enabled(token);
    const auto saved = co_await operations::save(*engine_, std::move(*entry));
    if (saved.has_value()) around_.model.enable_saved(token);
}

}  // namespace flowrelay::test
