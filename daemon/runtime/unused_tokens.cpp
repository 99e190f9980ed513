// Tokens that came with events and have none any more are forgotten in steps: the storage thread
// says that nothing on the disk has to be delivered for them; what was not used meanwhile is
// forgotten; what their events have left on the disk is erased; the registry drops them.
#include <utility>

#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/storage_work.hpp"

namespace flowrelay::runtime {

void Engine::forget_unused_tokens() {
    if (auto again = relay_.unused().take_unerased(clock_.now()); !again.empty()) {
        erase_unused(std::move(again));
    }
    if (!relay_.unused().may_have_unused()) return;
    auto unused = relay_.unused().take_unused_tokens(clock_.now());
    if (unused.empty()) return;
    storage_.ask(
        [this, unused = std::move(unused)](storage::Spool& spool) -> std::function<void()> {
            // None while an event could come back after a crash because its outcome is not durable.
            return [this, free = spool.without_letters(unused)] {
                auto forgotten = relay_.unused().forget_unused(free);
                if (!forgotten.empty()) erase_unused(std::move(forgotten));
            };
        });
}

/// The registry knows the slots until nothing is left of their events: a start finds them again.
void Engine::erase_unused(std::vector<TokenId> slots) {
    auto done = [this, slots](const Result<StorageMailbox::Erased>& erased) {
        if (erased.has_error()) {
            relay_.unused().forget_failed(slots, clock_.now());
            work_appeared();
            return;
        }
        storage_.ask([slots](storage::Spool& spool) -> std::function<void()> {
            spool.forget(slots);
            return [] {};
        });
    };
    storage_.erase(std::move(slots), std::move(done));
}

}  // namespace flowrelay::runtime
