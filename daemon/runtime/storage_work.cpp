#include "flowrelay/runtime/storage_work.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::runtime {

namespace ev = core::log_events;
using storage::QueueErrc;

namespace {

// An event of usual size, for the question whether one would be accepted.
constexpr std::uint64_t usual_body = 1024;

constexpr std::size_t replays_at_once = 4096;  // that are looked at for one load

/// What a request asks for out of the dead letters that are replayed, into what the queue gave.
/// Where many of other tokens lie between, the slice ends before them.
void add_replays(core::LoadedSlice& slice, const core::LoadRequest& request,
                 const storage::DeadLetters& letters) {
    const auto replays = letters.replays_after(request.after, replays_at_once);
    if (replays.empty()) return;
    if (replays.size() == replays_at_once && (slice.complete || replays.back().seq < slice.end)) {
        slice.end = replays.back().seq;
        slice.complete = false;
        std::erase_if(slice.events, [&](const auto& event) { return event.seq > slice.end; });
    }
    for (const auto& event : replays) {
        const bool wanted =
            event.lane.token == request.token &&
            (!request.thread_hash || event.lane.thread_hash == *request.thread_hash) &&
            (slice.complete || event.seq <= slice.end);
        if (wanted) slice.events.push_back(event);
    }
    std::ranges::sort(slice.events, {}, &core::QueuedEvent::seq);
    if (slice.events.size() <= request.limit) return;
    slice.events.resize(request.limit);
    slice.end = slice.events.back().seq;
    slice.complete = false;
}

}  // namespace

StorageWork::Completions StorageWork::carry_out(Mail mail) {
    Completions completions = erasures_.take_completions();
    if (mail.limits) stores_.queue->set_limits(*mail.limits);
    put_tokens(mail, completions);
    commit(mail, completions);
    for (auto& done : mail.barriers) completions.push_back(std::move(done));
    letters_taken_ += mail.burials.size();
    bury(std::move(mail.burials));
    for (const auto& hold : mail.holds) {
        // Without it the server has to say so again after a restart.
        static_cast<void>(stores_.registry->put_hold(hold));
    }
    for (auto& asked : mail.age_drops) drop_older(asked, completions);
    for (auto& replay : mail.replays) {
        completions.push_back(
            [done = std::move(replay.done),
             result = stores_.dead_letters->replay(replay.letters, replay.now)]() mutable {
                done(std::move(result));
            });
    }
    for (auto& [seq, answer] : mail.reads) {
        completions.push_back(
            [done = std::move(answer), result = read(seq)]() mutable { done(std::move(result)); });
    }
    for (auto& item : mail.loads) {
        completions.push_back([done = std::move(item.done),
                               result = load(item.request, item.record_bytes)]() mutable {
            done(std::move(result));
        });
    }
    for (auto& erasure : mail.erasures) erasures_.add(std::move(erasure));
    if (!mail.snapshots.empty()) look_for_room();
    for (auto& done : mail.snapshots) {
        completions.push_back([done = std::move(done), now = snapshot()] { done(now); });
    }
    stores_.unfinished = has_unfinished();
    stores_.failed = failed_;
    for (const auto& work : mail.questions) completions.push_back(work(stores_));
    if (mail.letters_changed) {
        letters_changed_ = std::move(mail.letters_changed);
        letters_buried_ = std::move(mail.letters_buried);
    }
    report_buried(completions);
    report_letters(completions);
    return completions;
}

bool StorageWork::maintain() {
    if (erasures_.has_work()) {
        if (const auto failed = erasures_.step(stores_)) note_commit(*failed);
        return true;
    }
    const auto more = stores_.queue->maintain();
    if (more.has_error()) note_commit(more.error());
    return more.has_value() && *more;
}

void StorageWork::end() {
    // At worst the next start takes damage in a last record for the trace of a crash.
    static_cast<void>(stores_.queue->confirm());
    static_cast<void>(stores_.registry->confirm());
    static_cast<void>(stores_.dead_letters->confirm());
}

void StorageWork::put_tokens(Mail& mail, Completions& completions) {
    token_error_.reset();
    for (auto& [entries, answer] : mail.token_puts) {
        auto result = put_in_order(entries);
        if (!answer) {
            note_token(result);
            continue;
        }
        if (result.has_error()) owe(std::move(entries));
        completions.push_back([done = std::move(answer), result = std::move(result)]() mutable {
            done(std::move(result));
        });
    }
}

/// A change that the registry did not take is put before the next entries: they may rely on it, as
/// the slot of a new token does on the removal of the one that had it before. The entry of a new
/// token is not owed: its event is refused, and the next one brings it along again.
Result<void> StorageWork::put_in_order(std::span<const core::TokenEntry> entries) {
    if (owed_entries_.empty()) return stores_.registry->put(entries);
    auto owed = owed_entries_;
    for (const auto& entry : entries) owed.insert_or_assign(entry.id, entry);
    std::vector<core::TokenEntry> all;
    for (auto& [id, entry] : owed) all.push_back(std::move(entry));
    auto result = stores_.registry->put(all);
    if (result.has_value()) owed_entries_.clear();
    return result;
}

void StorageWork::owe(std::vector<core::TokenEntry> entries) {
    for (auto& entry : entries) {
        const TokenId id = entry.id;
        owed_entries_.insert_or_assign(id, std::move(entry));
    }
}

/// A registry that fails is written anew as a whole the next time: the log has nothing to do with
/// it.
void StorageWork::note_token(const Result<void>& put) {
    const bool failed = put.has_error();
    if (failed) {
        token_error_ = put.error();
        const bool full = storage::is_disk_full(put.error().code) ||
                          storage::is_out_of_descriptors(put.error().code);
        token_error_->code = make_error_code(full ? QueueErrc::full : QueueErrc::failed);
        if (!token_failed_) log_.write(ev::token_not_kept, {{"reason", put.error().message}});
    }
    token_failed_ = failed;
}

void StorageWork::commit(Mail& mail, Completions& completions) {
    records_.clear();
    if (!token_error_) {
        for (auto& append : mail.appends) records_.push_back(std::move(append.record));
    }
    const bool observed = stores_.observer && !(records_.empty() && mail.settlements.empty());
    if (observed) stores_.observer->begins();
    settle_replays(mail.settlements);
    const Result<Seq> first = stores_.queue->commit(records_, mail.settlements);
    if (first.has_value()) note_recorded();
    if (observed) stores_.observer->ended(records_.size());
    note_commit(first);
    if (token_error_) {
        // An event is accepted only after the token that it is to be posted with.
        for (auto& append : mail.appends) {
            completions.push_back([append = std::move(append), error = *token_error_]() mutable {
                append.done(std::move(append.record), error);
            });
        }
        return;
    }
    answer_appends(mail, first, completions);
}

void StorageWork::answer_appends(Mail& mail, const Result<Seq>& first, Completions& completions) {
    if (mail.appends.empty()) return;
    for (std::size_t i = 0; i < mail.appends.size(); ++i) {
        mail.appends[i].record = std::move(records_[i]);
    }
    completions.push_back([appends = std::move(mail.appends), first]() mutable {
        for (std::size_t i = 0; i < appends.size(); ++i) {
            auto& append = appends[i];
            if (first.has_error()) {
                append.done(std::move(append.record), first.error());
            } else {
                append.done(std::move(append.record), Seq{to_number(*first) + i});
            }
        }
    });
}

void StorageWork::note_commit(const Result<Seq>& result) {
    if (result.has_value()) {
        if (!records_.empty()) note_room();
        return;
    }
    const Error& error = result.error();
    if (error.code == QueueErrc::full) {
        for (const auto& record : records_) {
            const std::uint64_t bytes = std::max<std::uint64_t>(1, record.body.size());
            refused_bytes_ = refused_bytes_ == 0 ? bytes : std::min(refused_bytes_, bytes);
        }
        note_full(error.message);
    } else if (error.code == QueueErrc::failed) {
        if (!failed_) log_.write(ev::spool_failed, {{"reason", error.message}});
        failed_ = true;
    }
}

/// All outcomes that waited went along with a commit.
void StorageWork::note_recorded() {
    buried_.insert(buried_.end(), unrecorded_.begin(), unrecorded_.end());
    unrecorded_.clear();
}

void StorageWork::note_full(const std::string& reason) {
    if (!full_) log_.write(ev::spool_full, {{"reason", reason}});
    full_ = true;
}

void StorageWork::note_room() {
    if (full_) log_.write(ev::spool_has_room);
    full_ = false;
    refused_bytes_ = 0;
}

/// Finds out whether events are accepted without waiting for a producer to hand one in.
void StorageWork::look_for_room() {
    refusing_ = stores_.queue->refusing(refused_bytes_ == 0 ? usual_body : refused_bytes_);
    if (!refusing_) {
        note_room();
    } else if (refusing_->code != "storage_failed") {
        note_full(refusing_->reason);
    } else {
        if (!failed_) log_.write(ev::spool_failed, {{"reason", refusing_->reason}});
        failed_ = true;
    }
}

/// The events of replayed letters are not in the queue.
void StorageWork::settle_replays(std::vector<core::Settlement>& settlements) {
    const auto replayed =
        std::ranges::stable_partition(settlements, [this](const core::Settlement& end) {
            return !stores_.dead_letters->is_replayed(end.seq);
        });
    unsettled_.insert(unsettled_.end(), replayed.begin(), replayed.end());
    settlements.erase(replayed.begin(), settlements.end());
    if (unsettled_.empty()) return;
    const auto settled = stores_.dead_letters->settle(unsettled_);
    note_letters(settled);
    if (settled.has_value()) unsettled_.clear();
}

Result<core::EventRecord> read_queued(Stores& stores, Seq seq) {
    if (!stores.dead_letters->is_replayed(seq)) return stores.queue->read(seq);
    auto letter = stores.dead_letters->read(seq);
    if (letter.has_error()) return letter.error();
    if (!letter->has_event) {
        return Error{storage::QueueErrc::damaged, "its dead letter has no event to deliver"};
    }
    return std::move(letter->event);
}

Result<core::EventRecord> StorageWork::read(Seq seq) {
    return read_queued(stores_, seq);
}

void StorageWork::bury(std::vector<core::DeadLetter> letters) {
    for (auto& letter : letters) unburied_.push_back(std::move(letter));
    // What can't be settled any more is delivered, or dies again, after the next start.
    if (failed_) {
        unburied_.clear();
        unrecorded_.clear();
    }
    if (unburied_.empty()) return;
    // In small portions: each carries its body.
    std::vector<core::DeadLetter> waiting = std::exchange(unburied_, {});
    std::vector<core::DeadLetter> portion;
    std::vector<core::Settlement> outcomes;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        auto event = read(waiting[i].seq);
        if (event.has_value()) {
            outcomes.push_back({waiting[i].seq, waiting[i].outcome});
            portion.push_back(std::move(waiting[i]));
            portion.back().event = std::move(*event);
        } else if (event.error().code == QueueErrc::damaged) {
            // The letter alone, with an id that tells which event it was.
            outcomes.push_back({waiting[i].seq, waiting[i].outcome});
            portion.push_back(std::move(waiting[i]));
            portion.back().event.id = "seq-" + std::to_string(to_number(portion.back().seq));
        } else if (event.error().code != QueueErrc::not_found) {
            unburied_.push_back(std::move(waiting[i]));
        } else {
            buried_.push_back(waiting[i].seq);  // erased meanwhile
        }
        if (portion.size() < 64 && i + 1 < waiting.size()) continue;
        if (!portion.empty()) add_letters(portion, outcomes);
        portion.clear();
        outcomes.clear();
    }
}

void StorageWork::add_letters(std::vector<core::DeadLetter>& portion,
                              std::vector<core::Settlement>& outcomes) {
    // What dies again has its outcome in the log already.
    std::erase_if(outcomes, [this](const core::Settlement& outcome) {
        return stores_.dead_letters->is_replayed(outcome.seq);
    });
    const auto added = stores_.dead_letters->add(portion);
    note_letters(added);
    if (added.has_value()) {
        const auto settled = stores_.queue->commit({}, outcomes);
        note_commit(settled);
        if (settled.has_value()) note_recorded();
        // Without its outcome a letter is withdrawn at the next start.
        auto& done = settled.has_value() ? buried_ : unrecorded_;
        for (const auto& letter : portion) done.push_back(letter.seq);
        if (settled.has_error() && failed_) withdraw(outcomes);
        return;
    }
    for (auto& letter : portion) {
        letter.event.body.clear();  // read again when it is tried again
        unburied_.push_back(std::move(letter));
    }
}

/// Their events are queued still.
void StorageWork::withdraw(const std::vector<core::Settlement>& outcomes) {
    std::vector<Seq> seqs;
    for (const auto& outcome : outcomes) seqs.push_back(outcome.seq);
    note_letters(stores_.dead_letters->withdraw(seqs));
}

void StorageWork::note_letters(const Result<void>& result) {
    if (result.has_error() && !burying_failed_) {
        log_.write(ev::dead_letters_failed, {{"reason", result.error().message}});
    }
    burying_failed_ = result.has_error();
}

void StorageWork::drop_older(Mail::DropOlder& asked, Completions& completions) {
    if (stores_.note_letter_age) {
        if (const auto noted = stores_.note_letter_age(asked.max_age); noted.has_error()) {
            note_letters(noted.error());  // and is tried again in an hour
            return;
        }
    }
    const auto trimmed = stores_.dead_letters->drop_older(asked.max_age, asked.now);
    if (trimmed.has_error()) {
        note_letters(trimmed.error());  // and is tried again in an hour
        return;
    }
    if (trimmed->letters == 0) return;
    log_.write(ev::dead_letters_dropped, {{"events", trimmed->letters},
                                          {"oldest", format_time(trimmed->oldest)},
                                          {"limit", "dead_letters.max_age"}});
    completions.push_back([done = std::move(asked.done), n = trimmed->letters] { done(n); });
}

/// Letters that could not be written yet are still on their way.
void StorageWork::report_letters(Completions& completions) {
    if (!letters_changed_) return;
    const auto kept = stores_.dead_letters->kept();
    const core::LetterUsage now{kept.letters, kept.bytes, letters_taken_ - unburied_.size()};
    if (now == told_) return;
    told_ = now;
    completions.push_back([changed = letters_changed_, now] { changed(now); });
}

/// For threads that wait for their dead letters.
void StorageWork::report_buried(Completions& completions) {
    if (!letters_buried_ || buried_.empty()) return;
    completions.push_back(
        [report = letters_buried_, seqs = std::exchange(buried_, {})] { report(seqs); });
}

Result<StorageMailbox::Loaded> StorageWork::load(const core::LoadRequest& request,
                                                 std::uint64_t record_bytes) {
    if (!request.with_replays) return stores_.queue->load(request, record_bytes);
    auto loaded = stores_.queue->load(request, 0);
    if (loaded.has_error()) return loaded.error();
    core::LoadedSlice& slice = loaded->slice;
    add_replays(slice, request, *stores_.dead_letters);
    if (record_bytes == 0) return loaded;
    std::uint64_t taken = 0;
    for (const auto& event : slice.events) {
        taken += event.bytes;
        if (taken > record_bytes && !loaded->records.empty()) break;
        auto record = read(event.seq);
        if (record.has_error()) break;
        loaded->records.push_back(std::move(*record));
    }
    const std::size_t shown = std::max<std::size_t>(1, loaded->records.size());
    if (shown < slice.events.size()) {
        slice.events.resize(shown);
        slice.end = slice.events.back().seq;
        slice.complete = false;
    }
    return loaded;
}

StorageMailbox::Snapshot StorageWork::snapshot() const {
    return {stores_.dead_letters->corrected(stores_.queue->ledger()),
            stores_.queue->usage(),
            stores_.queue->last_loss(),
            stores_.dead_letters->kept().letters,
            stores_.dead_letters->size() - stores_.dead_letters->kept().letters,
            stores_.dead_letters->missing(stores_.queue->ledger()),
            failed_,
            refusing_};
}

}  // namespace flowrelay::runtime
