#include "flowrelay/runtime/engine.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <iterator>
#include <memory>
#include <utility>

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace {

// What an event weighs in memory, its bookkeeping included.
std::uint64_t weight(const core::EventRecord& record) {
    return record.body.size() + record.thread.size() + record.id.size() + 384;
}

// Searches of operators that run at a time: each of their steps keeps the storage thread from
// commits for a moment.
constexpr unsigned max_searches = 4;
constexpr unsigned max_searches_of_user = 2;

// Bytes of records that one load may bring for each of its events.
constexpr std::uint64_t loaded_event = 4096;

}  // namespace

Engine::Engine(asio::any_io_executor io, core::Relay& relay, StorageMailbox& storage,
               const Clock& clock, EngineOptions options)
    : io_(io), relay_(relay), storage_(storage), clock_(clock), options_(std::move(options)) {
    storage_.watch_letters(
        [this](const core::LetterUsage& usage) {
            relay_.letters().stored(usage, clock_.now());
            work_appeared();
        },
        [this](std::span<const Seq> buried) {
            relay_.letters().buried(buried);
            work_appeared();
        });
}

// ---------------------------------------------------------------- submissions

void Engine::submit(core::Submission submission, Answered answered, Now now,
                    const core::Submitter& by) {
    auto decision = relay_.admission().submit(std::move(submission), now, by);
    if (auto* rejection = std::get_if<core::Rejection>(&decision)) {
        Answer answer;
        options_.metrics->note_rejection(rejection->code);
        answer.rejection = std::move(*rejection);
        answered(answer);
        return;
    }
    if (auto* filtered = std::get_if<core::Admission::Filtered>(&decision)) {
        Answer answer;
        answer.id = std::move(filtered->id);
        answer.filtered = true;
        answered(answer);
        return;
    }
    ++unanswered_;
    if (auto* duplicate = std::get_if<core::Admission::Duplicate>(&decision)) {
        confirm(std::move(*duplicate), std::move(answered));
        return;
    }
    if (auto* copies = std::get_if<core::Admission::Copies>(&decision)) {
        append(std::move(*copies), now.mono, std::move(answered));
        return;
    }
    append(std::move(std::get<core::Admission::Append>(decision)), now.mono, std::move(answered));
}

Answer Engine::refuse(core::Rejection rejection, const core::Submitter& by) {
    options_.metrics->note_rejection(rejection.code);
    Answer answer;
    answer.rejection = relay_.admission().refuse(std::move(rejection), by, clock_.now());
    return answer;
}

void Engine::append(core::Admission::Append&& append, MonoTime handed_in, Answered answered) {
    const std::uint64_t bytes = weight(append.record);
    pending_bytes_ += bytes;
    uncommitted_.push_back({bytes, handed_in, std::move(answered)});
    storage_.append(std::move(append.record), std::move(append.new_token),
                    [this](core::EventRecord&& record, const Result<Seq>& result) {
                        appended(std::move(record), result);
                    });
}

// What is known already is confirmed last: its barrier comes after the commits of the others.
void Engine::append(core::Admission::Copies&& copies, MonoTime handed_in, Answered answered) {
    const auto event = std::make_shared<Copies>();
    event->answered = std::move(answered);
    event->uncommitted = copies.appends.size();
    event->confirming = !copies.duplicates.empty();
    event->answer.duplicate = copies.appends.empty();
    if (copies.appends.empty()) {
        event->answer.id = copies.duplicates.front().id;
    } else {
        event->answer.id = copies.appends.front().record.id;
        event->producer = copies.appends.front().record.producer;
        copies_.push_back(event);
    }
    for (auto& copy : copies.appends) append(std::move(copy), handed_in, {});
    if (!event->confirming) return;
    storage_.barrier([this, event, duplicates = std::move(copies.duplicates)] {
        const Now now = clock_.now();
        for (const auto& duplicate : duplicates) {
            if (event->answer.rejection || relay_.admission().confirm(duplicate, now)) continue;
            event->answer.rejection = unconfirmed();
        }
        event->confirming = false;
        answer_if_settled(*event);
    });
}

void Engine::appended(core::EventRecord&& record, const Result<Seq>& result) {
    const Uncommitted event = std::move(uncommitted_.front());
    uncommitted_.pop_front();
    pending_bytes_ -= event.bytes;
    give_turn_soon();
    if (!event.answered) {
        copy_appended(std::move(record), result, event.handed_in);
        return;
    }
    --unanswered_;
    Answer answer;
    if (result.has_error()) {
        answer.rejection = failed(record, result.error());
        event.answered(answer);
        return;
    }
    const bool is_scheduled = committed(record, *result, event.handed_in);
    relay_.admission().event_accepted();
    options_.metrics->producers.note(record.producer);
    answer.id.swap(record.id);  // lent for the answer: there are many of them
    event.answered(answer);
    record.id.swap(answer.id);
    // What has to wait on disk for its turn comes along with a load.
    if (is_scheduled) keep(*result, std::move(record));
}

void Engine::copy_appended(core::EventRecord&& record, const Result<Seq>& result,
                           MonoTime handed_in) {
    const auto event = copies_.front();
    if (--event->uncommitted == 0) copies_.pop_front();
    if (result.has_value()) {
        if (committed(record, *result, handed_in)) keep(*result, std::move(record));
    } else if (event->answer.rejection) {
        relay_.admission().copy_failed(record);
    } else {
        event->answer.rejection = failed(record, result.error());
    }
    answer_if_settled(*event);
}

void Engine::answer_if_settled(const Copies& event) {
    if (event.uncommitted > 0 || event.confirming) return;
    --unanswered_;
    if (event.answer.accepted() && !event.answer.duplicate) {
        relay_.admission().event_accepted();
        options_.metrics->producers.note(event.producer);
    }
    event.answered(event.answer);
}

/// Returns whether the scheduler has the event; otherwise it waits on disk.
bool Engine::committed(const core::EventRecord& record, Seq seq, MonoTime handed_in) {
    // Many come in one go: one look at the clock serves them all.
    if (!work_posted_ || !on_work_) committed_at_ = clock_.now().mono;
    options_.metrics->commit_latency.observe(
        in_seconds(std::max(committed_at_ - handed_in, MonoTime::duration(0))));
    const bool is_scheduled = relay_.admission().committed(record, seq);
    work_appeared();
    return is_scheduled;
}

core::Rejection Engine::failed(const core::EventRecord& record, const Error& error) {
    auto rejection =
        relay_.admission().commit_failed(record, error.code == storage::QueueErrc::full);
    options_.metrics->note_rejection(rejection.code);
    return rejection;
}

core::Rejection Engine::unconfirmed() {
    options_.metrics->note_rejection(core::RejectCode::storage_failed);
    return {core::RejectCode::storage_failed,
            "the event with this uuid that came just before could not be stored, so this one "
            "was not accepted either: hand it in again",
            {},
            Milliseconds(1000)};
}

void Engine::confirm(core::Admission::Duplicate duplicate, Answered answered) {
    storage_.barrier([this, duplicate = std::move(duplicate), answered = std::move(answered)] {
        --unanswered_;
        Answer answer;
        if (relay_.admission().confirm(duplicate, clock_.now())) {
            answer.id = duplicate.id;
            answer.duplicate = true;
        } else {
            answer.rejection = unconfirmed();
        }
        answered(answer);
    });
}

asio::awaitable<void> Engine::wait_for_turn() {
    waiting_.emplace_back(io_, asio::steady_timer::time_point::max());
    const auto place = std::prev(waiting_.end());
    give_turn_soon();
    co_await place->async_wait(asio::as_tuple(asio::deferred));
    waiting_.erase(place);
    give_turn_soon();
}

// One for each round of the event loop: what else has become ready comes in between.
void Engine::give_turn_soon() {
    if (turn_posted_ || waiting_.empty() || !has_room()) return;
    turn_posted_ = true;
    asio::post(io_, [this] {
        turn_posted_ = false;
        if (!waiting_.empty() && has_room()) waiting_.front().cancel();
    });
}

// ---------------------------------------------------------------- deliveries

// Many completions come in one go: one look for work serves them all.
void Engine::work_appeared() {
    if (work_posted_ || !on_work_) return;
    work_posted_ = true;
    asio::post(io_, [this] {
        work_posted_ = false;
        forget_unused_tokens();
        load();
        on_work_();
    });
}

// Reads on in the backlogs that have room in memory again. Their records come along while the cache
// has room: one by one they would cost a trip to the other thread each.
void Engine::load() {
    while (auto request = relay_.destination().active().next_load()) {
        const std::uint64_t used = cached_bytes_ + loading_bytes_;
        const std::uint64_t room = options_.cache_size - std::min(options_.cache_size, used);
        const std::uint64_t bytes = std::min<std::uint64_t>(room, request->limit * loaded_event);
        loading_bytes_ += bytes;
        storage_.load(*request, bytes,
                      [this, request = *request, bytes](Result<StorageMailbox::Loaded> result) {
                          loading_bytes_ -= bytes;
                          if (result.has_error()) {
                              relay_.destination().load_failed(request, result.error().message,
                                                               clock_.now());
                          } else {
                              loaded(request, std::move(*result));
                          }
                          work_appeared();
                      });
    }
}

void Engine::loaded(const core::LoadRequest& request, StorageMailbox::Loaded loaded) {
    relay_.destination().loaded(request, loaded.slice);
    for (std::size_t i = 0; i < loaded.records.size(); ++i) {
        const Seq seq = loaded.slice.events[i].seq;
        if (relay_.destination().scheduler().contains(seq)) keep(seq, std::move(loaded.records[i]));
    }
}

std::optional<core::Assignment> Engine::next(Now now) {
    if (relay_.destination().deliveries_held()) return std::nullopt;
    return relay_.delivery().next(now);
}

void Engine::keep(Seq seq, core::EventRecord&& record) {
    const std::uint64_t bytes = weight(record);
    if (cached_bytes_ + bytes > options_.cache_size) return;
    if (cache_.emplace(to_number(seq), std::move(record)).second) cached_bytes_ += bytes;
}

std::optional<core::EventRecord> Engine::take_cached(Seq seq) {
    const auto cached = cache_.find(to_number(seq));
    if (cached == cache_.end()) return std::nullopt;
    core::EventRecord record = std::move(cached->second);
    cache_.erase(cached);
    cached_bytes_ -= weight(record);
    return record;
}

std::optional<Seq> Engine::find_in_memory(std::string_view id) const {
    for (const auto& [seq, record] : cache_) {
        if (record.id == id) return Seq{seq};
    }
    return std::nullopt;
}

std::vector<std::pair<std::string, Seq>> Engine::find_in_memory(
    const std::set<std::string, std::less<>>& ids) const {
    std::vector<std::pair<std::string, Seq>> found;
    for (const auto& [seq, record] : cache_) {
        if (ids.contains(record.id)) found.emplace_back(record.id, Seq{seq});
    }
    return found;
}

bool Engine::begin_search(std::uint32_t uid) {
    unsigned all = 0;
    for (const auto& [user, count] : searches_) all += count;
    if (all >= max_searches) return false;
    unsigned& own = searches_[uid];
    if (own >= max_searches_of_user) return false;
    ++own;
    return true;
}

void Engine::end_search(std::uint32_t uid) {
    const auto own = searches_.find(uid);
    if (own != searches_.end() && --own->second == 0) searches_.erase(own);
}

asio::awaitable<Result<core::EventRecord>> Engine::read(Seq seq) {
    auto read = [this, seq](auto handler) {
        auto shared = std::make_shared<decltype(handler)>(std::move(handler));
        storage_.read(seq, [shared](Result<core::EventRecord> result) {
            (*shared)(std::make_shared<Result<core::EventRecord>>(std::move(result)));
        });
    };
    const auto result =
        co_await asio::async_initiate<const asio::use_awaitable_t<>,
                                      void(std::shared_ptr<Result<core::EventRecord>>)>(
            read, asio::use_awaitable);
    co_return std::move(*result);
}

std::optional<Engine::Outgoing> Engine::prepare(const core::Assignment& assignment,
                                                Result<core::EventRecord>&& event) {
    if (!relay_.delivery().may_be_sent(assignment)) {
        withdraw(assignment, event.has_value() ? std::optional(std::move(*event)) : std::nullopt,
                 false);
        return std::nullopt;
    }
    if (event.has_error()) {
        unreadable(assignment, event.error());
        return std::nullopt;
    }
    // A copy of the token: the slot may lose it while the request is under way.
    const Secret& token = relay_.tokens().at(assignment.lane.token).entry.secret;
    return std::optional<Outgoing>(std::in_place, std::move(*event), token);
}

void Engine::attempted(const core::Assignment& assignment, core::EventRecord&& record,
                       const core::AttemptResult& result, Now now) {
    auto effects = relay_.delivery().attempted(assignment, record, result, now);
    Metrics& metrics = *options_.metrics;
    metrics.note_attempt(result);
    if (effects.settle && effects.settle->outcome == core::Outcome::delivered) {
        metrics.delivery_latency.observe(
            in_seconds(std::max(now.wall - record.accepted, Milliseconds(0))));
    }
    keep_if_queued(assignment.seq, std::move(record));
    carry_out(std::move(effects));
    load();
}

void Engine::unreadable(const core::Assignment& assignment, const Error& error) {
    carry_out(relay_.delivery().unreadable(
        assignment, error.message, error.code == storage::QueueErrc::damaged, clock_.now()));
}

void Engine::withdraw(const core::Assignment& assignment, std::optional<core::EventRecord> record,
                      bool sent) {
    relay_.delivery().withdraw(assignment, sent, clock_.now());
    if (record) keep_if_queued(assignment.seq, std::move(*record));
    work_appeared();
}

void Engine::keep_if_queued(Seq seq, core::EventRecord&& record) {
    if (relay_.destination().scheduler().contains(seq)) keep(seq, std::move(record));
}

void Engine::release(const core::Assignment& assignment) {
    relay_.delivery().withdraw(assignment, false, clock_.now());
}

std::optional<Engine::OutgoingReport> Engine::next_report() {
    if (relay_.destination().deliveries_held()) return std::nullopt;
    auto report = relay_.reporting().flow().next_report(clock_.now());
    if (!report) return std::nullopt;
    Secret token = relay_.tokens().at(report->token).entry.secret;
    return OutgoingReport{std::move(*report), std::move(token)};
}

void Engine::end_report(const core::ProblemReport& report, const core::AttemptResult& result) {
    relay_.reporting().flow().end_report(report, result, clock_.now());
}

void Engine::carry_out(core::Effects effects) {
    if (effects.settle) storage_.settle(*effects.settle);
    for (auto& letter : effects.bury) {
        take_cached(letter.seq);
        storage_.bury(std::move(letter));
    }
    // After the burials: some of these letters may be among them. One that can't be marked stays a
    // letter, and the store says why.
    if (!effects.replay.empty()) replay(std::move(effects.replay), [](const auto&) {});
    if (effects.hold) storage_.put_hold(*effects.hold);
    if (effects.tokens.empty()) return;
    forget_bodies_of_gone();
    save(std::move(effects.tokens));
}

void Engine::forget_bodies_of_gone() {
    std::erase_if(cache_, [&](const auto& item) {
        const auto slot = relay_.tokens().all().find(item.second.token);
        if (slot != relay_.tokens().all().end() && !slot->second.gone()) return false;
        cached_bytes_ -= weight(item.second);
        return true;
    });
}

void Engine::wake() {
    forget_bodies_of_gone();
    work_appeared();
}

void Engine::save(std::vector<core::TokenEntry> entries, StorageMailbox::Done saved) {
    auto put = [this, entries, done = std::move(saved)](const Result<void>& result) {
        if (result.has_error()) {
            relay_.lifecycle().tokens_not_saved(entries, result.error().message, clock_.now());
        } else {
            relay_.lifecycle().tokens_saved(entries);
        }
        if (done) done(result);
        work_appeared();
    };
    storage_.put_tokens(std::move(entries), std::move(put));
}

void Engine::tick() {
    carry_out(relay_.delivery().expire(clock_.now()));
    auto unsaved = relay_.lifecycle().take_unsaved_tokens(clock_.now());
    if (!unsaved.empty()) save(std::move(unsaved));
    if (const auto max_age = relay_.letters().take_due_trim(clock_.now())) {
        storage_.drop_older_letters(*max_age, clock_.now().wall, [this](std::uint64_t letters) {
            relay_.letters().aged(letters);
        });
    }
    auto due = relay_.lifecycle().take_due_erasures(clock_.now());
    if (!due.empty()) erase(std::move(due));
    forget_unused_tokens();
    load();
}

void Engine::replay(std::vector<Seq> letters, std::function<void(Result<std::uint64_t>)> done) {
    storage_.replay(
        std::move(letters), clock_.now().wall,
        [this, done = std::move(done)](const Result<std::vector<core::QueuedEvent>>& events) {
            if (events.has_error()) {
                done(events.error());
                return;
            }
            relay_.destination().replayed(*events);
            work_appeared();
            done(events->size());
        });
}

void Engine::erase(std::vector<TokenId> tokens) {
    auto done = [this, tokens](const Result<StorageMailbox::Erased>& result) {
        if (result.has_error()) {
            for (const TokenId token : tokens) {
                relay_.lifecycle().erase_failed(token, result.error().message, clock_.now());
            }
            count_left(tokens);
            work_appeared();
        } else {
            forget_secrets(tokens, *result);
        }
    };
    storage_.erase(std::move(tokens), std::move(done));
}

/// An erasure that failed may have done a part.
void Engine::count_left(const std::vector<TokenId>& tokens) {
    storage_.ask([this, tokens](storage::Spool& spool) -> std::function<void()> {
        const auto all = spool.backlog();
        if (all.has_error()) return [] {};
        return [this, tokens, left = *all] {
            for (const TokenId token : tokens) {
                const auto found = std::ranges::find(left, token, &storage::Spool::Backlog::token);
                relay_.lifecycle().left_to_erase(token, found == left.end() ? 0 : found->events);
            }
        };
    });
}

/// The secrets go last, and all at once: until then a crash begins the erasure again.
void Engine::forget_secrets(const std::vector<TokenId>& tokens,
                            const StorageMailbox::Erased& erased) {
    auto put = [this, tokens, erased](const Result<void>& result) {
        const auto count = [](const auto& counts, TokenId token) {
            const auto found = counts.find(token);
            return found == counts.end() ? 0 : found->second;
        };
        for (const TokenId token : tokens) {
            if (result.has_error()) {
                relay_.lifecycle().erase_failed(token, result.error().message, clock_.now());
            } else {
                relay_.lifecycle().erased(token, count(erased.events, token),
                                          count(erased.dead_letters, token));
            }
        }
        work_appeared();
    };
    storage_.put_tokens(relay_.lifecycle().erasing(tokens, clock_.now()), std::move(put));
}

std::optional<MonoTime> Engine::next_wakeup(Now looked_at) const {
    return relay_.next_wakeup(looked_at);
}

}  // namespace flowrelay::runtime
