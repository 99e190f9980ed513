#include "flowrelay/runtime/storage_mailbox.hpp"

namespace flowrelay::runtime {

// Typical number of appends during one commit, from producers that do not wait for their answers.
constexpr std::size_t appends_at_once = 64;

bool StorageMailbox::Mail::empty() const noexcept {
    return can_wait() && settlements.empty();
}

bool StorageMailbox::Mail::can_wait() const noexcept {
    return only_reads() && reads.empty() && loads.empty();
}

bool StorageMailbox::Mail::only_reads() const noexcept {
    return token_puts.empty() && appends.empty() && barriers.empty() && burials.empty() &&
           erasures.empty() && snapshots.empty() && replays.empty() && questions.empty() &&
           !limits && holds.empty() && age_drops.empty() && !letters_changed;
}

template <class Add>
void StorageMailbox::put(bool can_wait, Add add) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = mail_.empty();
        add();
    }
    mail_came(first, can_wait);
}

void StorageMailbox::append(core::EventRecord&& record, std::optional<core::TokenEntry>&& new_token,
                            Appended done) {
    put(false, [&] {
        if (new_token) add_new_token(std::move(*new_token));
        // Avoids moving all elements each time the vector grows.
        if (mail_.appends.empty()) mail_.appends.reserve(appends_at_once);
        mail_.appends.emplace_back(std::move(record), std::move(done));
    });
}

// Keeps the order with earlier changes, which may concern the same slot or have released its token.
// Consecutive new tokens share one put.
void StorageMailbox::add_new_token(core::TokenEntry entry) {
    auto& puts = mail_.token_puts;
    if (puts.empty() || puts.back().done) puts.emplace_back();
    puts.back().entries.push_back(std::move(entry));
}

void StorageMailbox::barrier(std::function<void()> done) {
    put(false, [&] { mail_.barriers.push_back(std::move(done)); });
}

void StorageMailbox::settle(core::Settlement settlement) {
    put(true, [&] { mail_.settlements.push_back(settlement); });
}

void StorageMailbox::bury(core::DeadLetter letter) {
    put(false, [&] { mail_.burials.push_back(std::move(letter)); });
}

void StorageMailbox::read(Seq seq, ReadDone done) {
    put(false, [&] { mail_.reads.emplace_back(seq, std::move(done)); });
}

void StorageMailbox::load(core::LoadRequest request, std::uint64_t record_bytes, LoadDone done) {
    put(false, [&] { mail_.loads.push_back({request, record_bytes, std::move(done)}); });
}

void StorageMailbox::put_tokens(std::vector<core::TokenEntry> entries, Done done) {
    put(false, [&] { mail_.token_puts.push_back({std::move(entries), std::move(done)}); });
}

void StorageMailbox::erase(std::vector<TokenId> tokens, EraseDone done) {
    put(false, [&] { mail_.erasures.push_back({std::move(tokens), std::move(done)}); });
}

void StorageMailbox::replay(std::vector<Seq> letters, WallTime now, ReplayDone done) {
    put(false, [&] { mail_.replays.push_back({std::move(letters), now, std::move(done)}); });
}

void StorageMailbox::put_hold(const core::Hold& hold) {
    put(false, [&] { mail_.holds.push_back(hold); });
}

void StorageMailbox::set_limits(const storage::QueueLimits& limits) {
    put(false, [&] { mail_.limits = limits; });
}

void StorageMailbox::drop_older_letters(Milliseconds max_age, WallTime now, DropDone done) {
    put(false, [&] { mail_.age_drops.push_back({max_age, now, std::move(done)}); });
}

void StorageMailbox::watch_letters(LettersChanged changed, LettersBuried buried) {
    put(false, [&] {
        mail_.letters_changed = std::move(changed);
        mail_.letters_buried = std::move(buried);
    });
}

void StorageMailbox::snapshot(SnapshotDone done) {
    put(false, [&] { mail_.snapshots.push_back(std::move(done)); });
}

void StorageMailbox::ask(Work work) {
    put(false, [&] { mail_.questions.push_back(std::move(work)); });
}

}  // namespace flowrelay::runtime
