#include "flowrelay/runtime/storage_work.hpp"

#include <utility>

namespace flowrelay::runtime {

StorageWork::Completions StorageWork::carry_out(Mail mail) {
    Completions completions = erasures_.take_completions();
    if (mail.limits) spool_->set_limits(*mail.limits);
    put_tokens(mail, completions);
    commit(mail, completions);
    for (auto& done : mail.barriers) completions.push_back(std::move(done));
    spool_->bury(std::move(mail.burials));
    // If a wait can't be written, the server has to request it again after a restart.
    for (const auto& hold : mail.holds) static_cast<void>(spool_->put_hold(hold));
    for (auto& asked : mail.age_drops) drop_older(asked, completions);
    for (auto& replay : mail.replays) {
        completions.push_back([done = std::move(replay.done),
                               result = spool_->replay(replay.letters, replay.now)]() mutable {
            done(std::move(result));
        });
    }
    for (auto& [seq, answer] : mail.reads) {
        completions.push_back([done = std::move(answer), result = spool_->read(seq)]() mutable {
            done(std::move(result));
        });
    }
    for (auto& item : mail.loads) {
        completions.push_back([done = std::move(item.done),
                               result = spool_->load(item.request, item.record_bytes)]() mutable {
            done(std::move(result));
        });
    }
    for (auto& erasure : mail.erasures) erasures_.add(std::move(erasure));
    if (!mail.snapshots.empty()) spool_->check_room();
    for (auto& done : mail.snapshots) {
        completions.push_back([done = std::move(done), now = spool_->status()] { done(now); });
    }
    for (const auto& work : mail.questions) completions.push_back(work(*spool_));
    if (mail.letters_changed) {
        letters_changed_ = std::move(mail.letters_changed);
        letters_buried_ = std::move(mail.letters_buried);
    }
    report_buried(completions);
    report_letters(completions);
    return completions;
}

bool StorageWork::maintain() {
    if (!erasures_.has_work()) return spool_->maintain();
    erasures_.step(*spool_);
    return true;
}

void StorageWork::put_tokens(Mail& mail, Completions& completions) {
    for (auto& [entries, answer] : mail.token_puts) {
        if (!answer) {
            // If it fails, the commit refuses the token's events.
            static_cast<void>(spool_->put_new(entries));
            continue;
        }
        completions.push_back([done = std::move(answer), result = spool_->put(entries)]() mutable {
            done(std::move(result));
        });
    }
}

void StorageWork::commit(Mail& mail, Completions& completions) {
    records_.clear();
    for (auto& append : mail.appends) records_.push_back(std::move(append.record));
    const Result<Seq> first = spool_->commit(records_, mail.settlements);
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

/// A failed drop is requested again in an hour.
void StorageWork::drop_older(Mail::DropOlder& asked, Completions& completions) {
    const auto dropped = spool_->drop_older(asked.max_age, asked.now);
    if (dropped.has_error() || *dropped == 0) return;
    completions.push_back([done = std::move(asked.done), n = *dropped] { done(n); });
}

void StorageWork::report_letters(Completions& completions) {
    if (!letters_changed_) return;
    const core::LetterUsage now = spool_->letter_usage();
    if (now == told_) return;
    told_ = now;
    completions.push_back([changed = letters_changed_, now] { changed(now); });
}

/// Releases threads that wait for their dead letters.
void StorageWork::report_buried(Completions& completions) {
    if (!letters_buried_) return;
    auto buried = spool_->take_buried();
    if (buried.empty()) return;
    completions.push_back(
        [report = letters_buried_, buried = std::move(buried)] { report(buried); });
}

}  // namespace flowrelay::runtime
