// Engine: chooses the source to check, and reports the result.
#include <utility>

#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::runtime {

namespace {

Engine::CheckAnswer not_asked() {
    Engine::CheckAnswer answer;
    answer.reason =
        "not asked: the daemon stops, or the token or the destination was changed meanwhile";
    return answer;
}

}  // namespace

void Engine::check_source(TokenId token, Checked checked) {
    if (checks_stopped_ || !on_check_) return checked(not_asked());
    asked_checks_.push_back({token, std::move(checked)});
    on_check_();
}

std::optional<Engine::OutgoingCheck> Engine::next_check() {
    if (relay_.reporting().liveness().is_checking()) return std::nullopt;
    while (!asked_checks_.empty()) {
        AskedCheck asked = std::move(asked_checks_.front());
        asked_checks_.pop_front();
        // The source may have been removed and forgotten while its check was pending.
        CheckAnswer answer;
        if (!relay_.tokens().all().contains(asked.token)) {
            answer.refusal = core::Refusal{core::Refusal::Code::not_found, "it was forgotten"};
        } else {
            answer.refusal = relay_.reporting().liveness().refuse_check(asked.token);
        }
        if (answer.refusal) {
            asked.checked(answer);
            continue;
        }
        checking_ = std::move(asked.checked);
        return OutgoingCheck{relay_.reporting().liveness().begin_check(asked.token, true),
                             relay_.tokens().at(asked.token).entry.secret};
    }
    auto check = relay_.reporting().liveness().next_check(clock_.now());
    if (!check) return std::nullopt;
    return OutgoingCheck{*check, relay_.tokens().at(check->token).entry.secret};
}

void Engine::end_check(const core::SourceCheck& check, const core::AttemptResult& result,
                       bool has_source) {
    auto end = relay_.delivery().end_check(check, result, has_source, clock_.now());
    carry_out(std::move(end.effects));
    CheckAnswer answer;
    answer.life = end.life;
    answer.status = end.status;
    answer.reason = std::move(end.reason);
    if (const Checked checked = std::exchange(checking_, {})) checked(answer);
}

void Engine::release_check(const core::SourceCheck&) {
    relay_.reporting().liveness().release_check(clock_.now());
    if (const Checked checked = std::exchange(checking_, {})) checked(not_asked());
}

void Engine::stop_checks() {
    checks_stopped_ = true;
    for (const AskedCheck& asked : std::exchange(asked_checks_, {})) asked.checked(not_asked());
}

}  // namespace flowrelay::runtime
