// Forgets tokens that came with events and have none left, in steps: the storage thread confirms
// that nothing on the disk is still to be delivered for them; tokens not used meanwhile are
// forgotten; the remains of their events are erased from the disk; the registry drops the tokens.
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
            // Empty while an event could come back after a crash because its outcome is not
            // durable.
            return [this, free = spool.without_letters(unused)] {
                auto forgotten = relay_.unused().forget_unused(free);
                if (!forgotten.empty()) erase_unused(std::move(forgotten));
            };
        });
}

/// The registry keeps the slots until nothing is left of their events, so that the next start finds
/// them.
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
