#include "flowrelay/runtime/storage_work.hpp"

#include <utility>

#include "flowrelay/core/log_events.hpp"

namespace flowrelay::runtime {

namespace ev = core::log_events;
using storage::QueueErrc;

StorageWork::Completions StorageWork::carry_out(Mail mail) {
    Completions completions;
    put_tokens(mail, completions);
    commit(mail, completions);
    for (auto& done : mail.barriers) completions.push_back(std::move(done));
    bury(std::move(mail.burials));
    for (auto& [seq, answer] : mail.reads) {
        completions.push_back(
            [done = std::move(answer), result = stores_.queue->read(seq)]() mutable {
                done(std::move(result));
            });
    }
    for (auto& item : mail.loads) {
        completions.push_back([done = std::move(item.done),
                               result = load(item.request, item.with_records)]() mutable {
            done(std::move(result));
        });
    }
    for (auto& [token, done] : mail.erasures) erase(token, done, completions);
    for (auto& done : mail.snapshots) {
        completions.push_back([done = std::move(done), now = snapshot()] { done(now); });
    }
    return completions;
}

bool StorageWork::maintain() {
    const auto more = stores_.queue->maintain();
    if (more.has_error()) note_commit(more.error());
    return more.has_value() && *more;
}

void StorageWork::put_tokens(Mail& mail, Completions& completions) {
    token_error_.reset();
    if (!mail.new_tokens.empty()) {
        const auto put = stores_.registry->put(mail.new_tokens);
        if (put.has_error()) {
            token_error_ = put.error();
            const bool full = put.error().code == boost::system::errc::no_space_on_device;
            token_error_->code = make_error_code(full ? QueueErrc::full : QueueErrc::failed);
        }
    }
    for (auto& [entries, answer] : mail.token_puts) {
        completions.push_back(
            [done = std::move(answer), result = stores_.registry->put(entries)]() mutable {
                done(std::move(result));
            });
    }
}

void StorageWork::commit(Mail& mail, Completions& completions) {
    records_.clear();
    if (!token_error_) {
        for (auto& append : mail.appends) records_.push_back(std::move(append.record));
    }
    const bool observed = stores_.observer && !(records_.empty() && mail.settlements.empty());
    if (observed) stores_.observer->begins();
    const Result<Seq> first = stores_.queue->commit(records_, mail.settlements);
    if (observed) stores_.observer->ended(records_.size());
    note_commit(first);
    if (token_error_) {
        // An event is accepted only after the token that it is to be posted with.
        note_commit(*token_error_);
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
        if (full_ && !records_.empty()) {
            full_ = false;
            log_.write(ev::spool_has_room);
        }
        return;
    }
    const Error& error = result.error();
    if (error.code == QueueErrc::full) {
        if (!full_) log_.write(ev::spool_full, {{"reason", error.message}});
        full_ = true;
    } else {
        if (!failed_) log_.write(ev::spool_failed, {{"reason", error.message}});
        failed_ = true;
    }
}

void StorageWork::bury(std::vector<core::DeadLetter> letters) {
    for (auto& letter : letters) unburied_.push_back(std::move(letter));
    if (unburied_.empty()) return;
    // In small portions: each carries its body.
    std::vector<core::DeadLetter> waiting = std::exchange(unburied_, {});
    std::vector<core::DeadLetter> portion;
    std::vector<core::Settlement> outcomes;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
        auto event = stores_.queue->read(waiting[i].seq);
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
        }
        if (portion.size() < 64 && i + 1 < waiting.size()) continue;
        if (portion.empty()) continue;
        const auto added = stores_.dead_letters->add(portion);
        if (added.has_error()) {
            if (!burying_failed_) {
                log_.write(ev::dead_letters_failed, {{"reason", added.error().message}});
            }
            burying_failed_ = true;
            for (auto& letter : portion) {
                letter.event.body.clear();  // read again when it is tried again
                unburied_.push_back(std::move(letter));
            }
        } else {
            burying_failed_ = false;
            note_commit(stores_.queue->commit({}, outcomes));
        }
        portion.clear();
        outcomes.clear();
    }
}

Result<StorageMailbox::Loaded> StorageWork::load(const core::LoadRequest& request,
                                                 bool with_records) {
    auto slice = stores_.queue->load(request);
    if (slice.has_error()) return slice.error();
    StorageMailbox::Loaded loaded;
    loaded.slice = std::move(*slice);
    if (!with_records) return loaded;
    loaded.records.reserve(loaded.slice.events.size());
    for (const auto& event : loaded.slice.events) {
        auto record = stores_.queue->read(event.seq);
        if (record.has_error()) break;  // who needs it finds out why
        loaded.records.push_back(std::move(*record));
    }
    return loaded;
}

void StorageWork::erase(TokenId token, const StorageMailbox::EraseDone& done,
                        Completions& completions) {
    StorageMailbox::Erased erased;
    const auto events = stores_.queue->erase(token);
    if (events.has_error()) {
        note_commit(events.error());
        completions.push_back([done, error = events.error()] { done(error); });
        return;
    }
    erased.events = *events;
    const auto letters = stores_.dead_letters->erase(token);
    if (letters.has_error()) {
        completions.push_back([done, error = letters.error()] { done(error); });
        return;
    }
    erased.dead_letters = *letters;
    completions.push_back([done, erased] { done(erased); });
}

StorageMailbox::Snapshot StorageWork::snapshot() const {
    return {stores_.queue->ledger(), stores_.queue->usage(), stores_.dead_letters->size(), failed_};
}

}  // namespace flowrelay::runtime
