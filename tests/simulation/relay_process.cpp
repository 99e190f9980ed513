#include "relay_process.hpp"

#include <fmt/format.h>

#include <charconv>
#include <stdexcept>

#include "flowrelay/base/fingerprint.hpp"
#include "flowrelay/base/number.hpp"
#include "flowrelay/runtime/start_up.hpp"
#include "flowrelay/storage/clock_file.hpp"
#include "support/queue_contents.hpp"

namespace flowrelay::test {
namespace {

template <class T>
T opened(Result<T> result) {
    if (result.has_error()) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

constexpr const char* clock_path = "/state/clock";

}  // namespace

std::uint64_t number_of(const core::EventRecord& record) {
    constexpr std::string_view before = R"("title":"event )";
    const auto at = record.body.find(before);
    std::uint64_t number = 0;
    if (at == std::string::npos) return number;
    const char* begin = record.body.data() + at + before.size();
    std::from_chars(begin, record.body.data() + record.body.size(), number);
    return number;
}

Model::Found look(storage::Spool& spool, const Setup& setup) {
    Model::Found found;
    for (const auto& event : queued_events(spool)) {
        const auto record = spool.read(event.seq);
        if (record.has_error()) throw std::runtime_error(record.error().message);
        found.queued.push_back(
            {number_of(*record), event.seq, record->id, record->expires, record->token});
    }
    for (const auto& [seq, token] : spool.letters()) {
        found.letters.push_back(opened(spool.read_letter(seq)));
    }
    found.slots = slots_on(spool, setup);
    found.ledger = spool.status().ledger;
    return found;
}

// ---------------------------------------------------------------- the disk

SimStorage::SimStorage(std::unique_ptr<storage::Spool> spool, const Surroundings& around,
                       Random random, Milliseconds delay, std::function<void()> ran)
    : work_(std::move(spool)),
      around_(around),
      random_(random),
      delay_(delay),
      ran_(std::move(ran)) {}

void SimStorage::mail_came(bool, bool can_wait) {
    const auto most = static_cast<std::uint64_t>(delay_.count());
    schedule(Milliseconds(can_wait ? 100 : random_.below(most + 1)));
}

void SimStorage::schedule(Milliseconds delay) {
    const MonoTime at = around_.agenda.now().mono + delay;
    if (scheduled_ && *scheduled_ <= at) return;
    scheduled_ = at;
    around_.agenda.at(at, [this, at, alive = std::weak_ptr(alive_)] {
        if (alive.expired() || scheduled_ != at) return;
        scheduled_.reset();
        work();
    });
}

// Tells the model about replays, expiries and events that become durable.
void SimStorage::watch(Mail& mail) {
    for (auto& replay : mail.replays) {
        around_.model.may_be_replayed(replay.letters);
        replay.done =
            [this, done = std::move(replay.done)](Result<std::vector<core::QueuedEvent>> events) {
                if (events.has_value()) {
                    for (const auto& event : *events) around_.model.replayed(event.seq);
                }
                done(std::move(events));
            };
    }
    for (const auto& letter : mail.burials) {
        if (letter.outcome != core::Outcome::expired) continue;
        around_.model.expires(letter.seq, around_.agenda.now());
    }
    for (auto& append : mail.appends) {
        append.done = [this, done = std::move(append.done)](core::EventRecord record,
                                                            Result<Seq> result) {
            if (result.has_value())
                around_.model.durable(around_.model.copy_in(number_of(record), record.token),
                                      *result, record.expires);
            done(std::move(record), std::move(result));
        };
    }
}

void SimStorage::work() {
    Mail mail = std::exchange(mail_, Mail());
    watch(mail);
    auto completions = work_.carry_out(std::move(mail));
    if (work_.maintain()) schedule(Milliseconds(random_.below(5)));
    if (work_.spool().has_unfinished()) schedule(Seconds(1));
    if (work_.spool().failed()) around_.model.disk_in_trouble();
    if (completions.empty()) return;
    for (auto& completion : completions) completions_.push_back(std::move(completion));
    // The I/O thread may be busy with other work first.
    const Milliseconds busy(random_.below(random_.chance(0.1) ? 30 : 3));
    around_.agenda.in(busy, [this, alive = std::weak_ptr(alive_)] {
        if (!alive.expired()) complete();
    });
}

void SimStorage::complete() {
    for (auto& completion : std::exchange(completions_, {})) completion();
    ran_();
}

void SimStorage::finish() {
    work();
    complete();
    work();  // retries failed writes, and carries out requests of the completions
    complete();
}

// ---------------------------------------------------------------- the process

RelayProcess::RelayProcess(const Surroundings& around, const ProcessOptions& options,
                           std::uint64_t seed)
    : around_(around), options_(options) {
    Random random(seed);
    auto spool = opened(storage::Spool::open(around.fs, "/state", options.log, around.log));
    if (!around.agenda.begin(opened(storage::read_clock(around.fs, clock_path)))) {
        around.model.violation("time has passed on the timeline that did not pass");
    }
    static_cast<void>(storage::write_clock(around.fs, clock_path,
                                           around.agenda.timeline().anchor(around.agenda.read())));
    around.model.started(look(*spool, around.setup), around.agenda.now());
    relay_.emplace(options.relay, spool->salt(), spool->entries(), Random(random.next()),
                   around.log);
    runtime::restore(*relay_, *spool, sources(), options.relay.dedup_window, around.agenda.now());
    around.model.all_slots_saved();
    storage_ = std::make_unique<SimStorage>(std::move(spool), around, Random(random.next()),
                                            options.storage_delay, [this] { turn(); });
    bind_slots();
    tell();
    engine_.emplace(io_.get_executor(), *relay_, *storage_, around.agenda, options.engine);
    engine_->set_work_listener([this] { pump(); });
    engine_->tick();
    save_clock_regularly();
    turn();
}

void RelayProcess::look_at_clock() {
    if (around_.agenda.timeline().look(around_.agenda.read())) save_clock();
    turn();
}

void RelayProcess::save_clock_regularly() {
    around_.agenda.in(std::chrono::minutes(5), [this, alive = std::weak_ptr(alive_)] {
        if (alive.expired() || stopping_) return;
        save_clock();
        save_clock_regularly();
    });
}

void RelayProcess::save_clock() {
    storage_->ask(
        [this, anchor = around_.agenda.timeline().anchor(around_.agenda.read())](storage::Spool&) {
            static_cast<void>(storage::write_clock(around_.fs, clock_path, anchor));
            return std::function<void()>([] {});
        });
}

std::vector<core::ConfiguredSource> RelayProcess::sources() const {
    std::vector<core::ConfiguredSource> sources;
    for (const auto& [name, token] : around_.setup.sources()) {
        core::ConfiguredSource source;
        source.name = name;
        source.secret = Secret(secret_of(token));
        source.rules.rate_limit = options_.source_rate;
        source.rules.hold_rejected = options_.holding && holds_what_is_rejected(name);
        source.rules.report_problems = options_.reporting;
        source.rules.filter = filter_number(around_.setup.filter_of(name));
        sources.push_back(std::move(source));
    }
    return sources;
}

// Pending disk operations are destroyed first, since they refer to the engine.
RelayProcess::~RelayProcess() {
    storage_.reset();
}

void RelayProcess::submit(const std::string& json, const std::vector<std::uint64_t>& numbers) {
    auto parsed = core::Submission::parse(json);
    if (parsed.has_error()) throw std::logic_error(parsed.error().message);
    const std::uint64_t filtered = around_.model.filtered_events();
    std::vector<Model::Copy> copies;
    for (const std::uint64_t number : numbers) {
        copies.push_back({number, around_.model.passes(number)});
    }
    auto tell_producer = [this, copies](const runtime::Answer& answer) {
        answered(copies, answer);
    };
    engine_->submit(std::move(*parsed), std::move(tell_producer), around_.agenda.now());
    if (around_.model.filtered_events() == filtered) {
        for (const std::uint64_t number : numbers) note_taken(number);
    }
    turn();
}

void RelayProcess::answered(const std::vector<Model::Copy>& copies, const runtime::Answer& answer) {
    Model& model = around_.model;
    if (!answer.accepted()) {
        for (const auto& copy : copies) model.rejected(copy.number, answer.rejection->code);
    } else if (answer.filtered) {
        for (const auto& copy : copies) model.filtered(copy);
    } else {
        model.accepted(copies, answer.id, answer.duplicate);
        if (!answer.duplicate) ++stored_;
    }
    if (relay_->counters().accepted_events != stored_) {
        model.violation("the relay has counted another number of accepted events");
    }
}

bool RelayProcess::idle() const {
    return busy_ == 0 && !reporting_ && !checking_ && calls_ == 0 && storage_->idle();
}

// Does what the I/O thread does after each event.
void RelayProcess::turn() {
    look_for_forgotten();
    io_.restart();
    io_.poll();
    report();
    check();
    pump();
}

// Sends problem reports, one at a time, in parallel with events.
void RelayProcess::report() {
    if (stopping_ || reporting_) return;
    auto outgoing = engine_->next_report();
    if (!outgoing) return;
    reporting_ = true;
    std::string body;
    core::append_report_body(body, outgoing->token, outgoing->report.message);
    const std::size_t token = around_.model.reported(body, around_.agenda.now());
    const auto reply = around_.server.show(token, outgoing->report.message);
    around_.agenda.in(reply.takes,
                      [this, alive = std::weak_ptr(alive_), reply, report = outgoing->report] {
                          if (alive.expired()) return;
                          reporting_ = false;
                          if (stopping_) return;
                          engine_->end_report(report, reply.result);
                          turn();
                      });
}

// Checks whether an idle source still exists, one at a time, in parallel with events.
void RelayProcess::check() {
    if (stopping_ || checking_) return;
    auto outgoing = engine_->next_check();
    if (!outgoing) return;
    checking_ = true;
    std::string_view secret = outgoing->token.reveal();  // see secret_of()
    secret.remove_prefix(std::string_view("s3cret-").size());
    secret.remove_suffix(1);
    const std::size_t token = parse_number<std::size_t>(secret).value();
    const auto slot = around_.model.asked_for(token);
    const auto reply = around_.server.find(token);
    around_.agenda.in(
        reply.takes, [this, alive = std::weak_ptr(alive_), reply, slot, check = outgoing->check] {
            if (alive.expired()) return;
            checking_ = false;
            if (stopping_) return;
            const bool is_gone =
                reply.result.end == core::AttemptEnd::response && reply.result.status == 410;
            if (slot && is_gone && engine_->may_be_sent(check)) {
                around_.model.found_gone(*slot, around_.agenda.now());
            }
            engine_->end_check(check, reply.result, reply.processed);
            tell();
            turn();
        });
}

void RelayProcess::pump() {
    while (!stopping_ && busy_ < options_.connections) {
        const auto assignment = engine_->next(around_.agenda.now());
        if (!assignment) {
            tell();
            check_causes();
            arm();
            return;
        }
        begin(*assignment);
    }
    if (!stopping_) tell();
}

// Passes the waits that `status` reports to the model.
void RelayProcess::tell() {
    const Now now = around_.agenda.now();
    Waits& waits = around_.model.waits();
    waits.told(relay_->destination().scheduler().status(), now);
    const auto& slots = around_.model.slots().all();
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
        if (!slots[slot].exists || !slots[slot].id) continue;
        waits.told(slot, relay_->destination().scheduler().token_status(*slots[slot].id), now);
    }
}

// Returns when the event can be posted: a time, which is past if it can be now, or MonoTime::max()
// if something else has to happen first. Nothing if it is still on disk, or after one that expires.
std::optional<MonoTime> RelayProcess::can_run_from(const Model::Head& head) const {
    const auto why = relay_->destination().scheduler().why(head.seq);
    if (!why || why->lane_next != head.seq) return std::nullopt;
    const Model& model = around_.model;
    const auto& token = why->token;
    const bool down = why->destination != core::DestinationState::up;
    const bool closed =
        token.state != core::TokenState::active && token.state != core::TokenState::paused;
    const bool lane_waits = why->in_flight || why->lane_next_in_flight ||
                            (why->lane_held && model.has_held(head)) ||
                            (why->lane_blocked && model.has_died(head));
    const Slots::Slot& slot = model.slots().at(head.slot);
    const bool token_waits = (token.state == core::TokenState::paused &&
                              (model.is_paused(head.slot) || !slot.is.known || slot.waking != 0)) ||
                             (closed && model.waits().token_is_tried(head.slot));
    const bool destination_waits =
        (down || why->destination_full || why->token_full) && model.waits().destination_is_tried();
    if (lane_waits || token_waits || destination_waits) return MonoTime::max();
    MonoTime from = MonoTime::min();
    const auto not_before = [&](const std::optional<MonoTime>& time) {
        if (time) from = std::max(from, *time);
    };
    not_before(why->lane_until);
    if (closed) not_before(token.until);
    if (down && !model.waits().admits_early(head.slot)) not_before(why->destination_until);
    not_before(token.rate_limited_until);
    not_before(why->destination_rate_limited_until);
    not_before(token.paced_until);
    not_before(why->destination_paced_until);
    return from;
}

bool RelayProcess::could_run(const Model::Head& head) const {
    const auto from = can_run_from(head);
    return from && *from <= around_.agenda.now().mono;
}

// Called when a connection is free and there is nothing to post: each waiting event must have a
// cause that ends; if it ends at a time, the relay must have a wake-up by then.
void RelayProcess::check_causes() const {
    const MonoTime now = around_.agenda.now().mono;
    const auto wakeup = engine_->next_wakeup(around_.agenda.now());
    for (const auto& head : around_.model.heads(around_.agenda.now())) {
        const auto from = can_run_from(head);
        if (!from || *from == MonoTime::max()) continue;
        const auto why = relay_->destination().scheduler().why(head.seq);
        check_length(head, *why);
        if (*from > now && wakeup && *wakeup <= *from) continue;
        around_.model.violation(fmt::format(
            "seq {} of slot {} waits {} ({} busy; token {}, destination {}{}{})",
            to_number(head.seq), head.slot,
            *from > now ? "for a time at which nothing wakes the relay" : "without a cause", busy_,
            core::to_string(why->token.state), core::to_string(why->destination),
            why->lane_held ? ", held" : "", why->destination_full ? ", full" : ""));
    }
}

// Checks the maximum waits of a lane and of rate limits. tell() checks those of a token and of the
// destination.
void RelayProcess::check_length(const Model::Head& head,
                                const core::Scheduler::WaitReason& why) const {
    const MonoTime now = around_.agenda.now().mono;
    const auto complain = [&](std::string_view what) {
        around_.model.violation(fmt::format("{} of seq {}", what, to_number(head.seq)));
    };
    if (why.lane_until && *why.lane_until > now && !around_.model.may_wait(head, *why.lane_until)) {
        complain("there was no failure to make the lane wait");
    }
    const auto limited = [&](const std::optional<MonoTime>& until, double rate) {
        if (!until || *until <= now) return true;
        return rate > 0 && std::chrono::duration<double>(*until - now).count() <= 1.001 / rate;
    };
    const bool may_be_paced = around_.model.waits().may_be_paced(around_.agenda.now());
    for (const auto& until : {why.token.paced_until, why.destination_paced_until}) {
        if (!until || *until <= now) continue;
        if (!may_be_paced || *until > now + Waits::longest_pace) {
            complain("no refusal is a reason for the pace");
        }
    }
    const bool configured = around_.model.slots().at(head.slot).is.kind == Slots::Kind::configured;
    const double rate = configured ? options_.source_rate : 0;
    if (!limited(why.token.rate_limited_until, rate)) {
        complain("the rate limit of the source is no reason for the wait");
    }
    if (!limited(why.destination_rate_limited_until, options_.relay.scheduler.rate_limit)) {
        complain("the rate limit of the destination is no reason for the wait");
    }
}

// Checks that a token that is ready gets its turn after each other token has had one, or two if
// something changed meanwhile. A token whose requests take half of the places is not ready: that is
// its share while another token is ready.
void RelayProcess::check_fairness(TokenId whose_turn) {
    const auto& scheduler = relay_->destination().scheduler();
    const std::size_t share = (scheduler.status().allowance + 1) / 2;
    std::map<TokenId, std::size_t> under_way;
    for (const Seq seq : around_.model.under_way()) {
        if (const auto why = scheduler.why(seq)) ++under_way[why->lane.token];
    }
    const std::size_t tokens = around_.model.slots().all().size();
    std::set<TokenId> could;
    for (const auto& head : around_.model.heads(around_.agenda.now())) {
        const auto why = scheduler.why(head.seq);
        if (!why || under_way[why->lane.token] >= share) continue;
        if (could_run(head)) could.insert(why->lane.token);
    }
    std::erase_if(passed_over_, [&](const auto& item) { return !could.contains(item.first); });
    passed_over_.erase(whose_turn);
    for (const TokenId token : could) {
        if (token == whose_turn || ++passed_over_[token] <= 2 * tokens) continue;
        around_.model.violation(
            fmt::format("token {} is passed over {} times", to_number(token), passed_over_[token]));
    }
}

void RelayProcess::arm() {
    const auto wakeup = engine_->next_wakeup(around_.agenda.now());
    if (!wakeup) return;
    const MonoTime at = std::max(*wakeup, around_.agenda.now().mono + Milliseconds(1));
    if (wakeup_ && *wakeup_ <= at) return;
    wakeup_ = at;
    around_.agenda.at(at, [this, at, alive = std::weak_ptr(alive_)] {
        if (alive.expired() || wakeup_ != at) return;
        wakeup_.reset();
        if (stopping_) return;
        engine_->tick();
        turn();
        arm();
    });
}

void RelayProcess::begin(const core::Assignment& assignment) {
    ++busy_;
    around_.model.assigned(assignment.seq, around_.agenda.now());
    check_fairness(assignment.lane.token);
    if (auto cached = engine_->take_cached(assignment.seq)) {
        post(assignment, std::move(*cached));
        return;
    }
    storage_->read(assignment.seq, [this, assignment](Result<core::EventRecord> record) {
        post(assignment, std::move(record));
    });
}

void RelayProcess::post(const core::Assignment& assignment, Result<core::EventRecord> fetched) {
    auto outgoing = engine_->prepare(assignment, std::move(fetched));
    if (!outgoing) {
        around_.model.not_posted(assignment.seq, around_.agenda.now());
        ended(assignment);
        return;
    }
    const Milliseconds connecting = around_.server.connecting();
    if (connecting == Milliseconds(0)) {
        write(assignment, *outgoing);
        return;
    }
    connecting_.emplace(assignment.seq, assignment);
    around_.agenda.in(connecting,
                      [this, alive = std::weak_ptr(alive_), assignment, outgoing = *outgoing] {
                          if (alive.expired() || connecting_.erase(assignment.seq) == 0) return;
                          connected(assignment, outgoing);
                          turn();
                      });
}

// Called when the request can be written, like the HTTP client's condition.
void RelayProcess::connected(const core::Assignment& assignment,
                             const runtime::Engine::Outgoing& outgoing) {
    if (engine_->may_be_sent(assignment)) {
        write(assignment, outgoing);
        return;
    }
    ended(assignment);
    engine_->withdraw(assignment, outgoing.record, false);
    around_.model.withdrawn(assignment.seq);
}

void RelayProcess::write(const core::Assignment& assignment,
                         const runtime::Engine::Outgoing& outgoing) {
    std::string body;
    core::append_post_body(body, outgoing.token, outgoing.record.id, outgoing.record.body);
    PostedEvent event = read_post(body);
    event.seq = assignment.seq;
    around_.model.requested(event, assignment.seq, around_.agenda.now());
    const auto reply = around_.server.post(event, around_.agenda.now().mono);
    const std::uint64_t copy = around_.model.copy_in(event.number, outgoing.record.token);
    if (reply.processed) around_.model.processed(copy);
    under_way_.emplace(copy, assignment);
    around_.agenda.in(reply.takes, [this, alive = std::weak_ptr(alive_), assignment, reply,
                                    number = copy, record = outgoing.record] {
        if (alive.expired() || under_way_.erase(number) == 0) return;
        answered(assignment, record, number, reply);
    });
}

void RelayProcess::answered(const core::Assignment& assignment, const core::EventRecord& record,
                            std::uint64_t number, Server::Reply reply) {
    ended(assignment);
    if (around_.model.is_outdated(number)) {
        reply = around_.server.say_to_former(std::move(reply));
        if (reply.processed) around_.model.processed(number);
    }
    const auto& scheduler = relay_->destination().scheduler();
    const bool others_queued =
        scheduler.status().queued != scheduler.token_status(assignment.lane.token).queued;
    around_.model.answered(number, reply,
                           {others_queued, assignment.lane.thread_hash,
                            relay_->destination().threads_with_events(assignment.lane.token)},
                           around_.agenda.now());
    engine_->attempted(assignment, core::EventRecord(record), reply.result, around_.agenda.now());
    const auto why = relay_->destination().scheduler().why(assignment.seq);
    if (why && why->lane_held) around_.model.found_no_room(number);
    tell();
    turn();
}

void RelayProcess::ended(const core::Assignment& assignment) {
    --busy_;
    around_.model.unassigned(assignment.seq);
}

void RelayProcess::stop() {
    relay_->admission().stop_accepting();
    stopping_ = true;
    // Requests without an answer by now do not get one.
    for (const auto& [number, assignment] : std::exchange(under_way_, {})) {
        around_.model.given_up(number);
        engine_->release(assignment);
    }
    for (const auto& [seq, assignment] : std::exchange(connecting_, {})) {
        engine_->release(assignment);
    }
    storage_->finish();
}

}  // namespace flowrelay::test
