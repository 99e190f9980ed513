#include "world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

namespace flowrelay::test {

void SimLog::write(const LogEvent& event, std::span<const LogField> fields) noexcept {
    ++lines[event.name];
    if (const auto found = listeners_.find(event.name); found != listeners_.end()) found->second();
    const std::string_view name = event.name;
    if (name == "dead_letters.missing" || name == "token.unknown") {
        model_.violation(fmt::format("a file is taken for lost: {}", name));
    }
    std::string line(event.name);
    for (const LogField& field : fields) {
        const auto value = std::visit([](auto v) { return fmt::format("{}", v); }, field.value);
        if (value.find("s3cret") != std::string::npos) {
            model_.violation(fmt::format("a token in the log: {}", event.name));
        }
        if (trace_) line += fmt::format(" {}={}", field.key, value);
    }
    say(line);
}

void SimLog::say(const std::string& what) const {
    if (trace_) std::puts((format_time(agenda_.now().wall) + " " + what).c_str());
}

World::World(std::uint64_t seed, bool trace)
    : random_(seed),
      fs_(random_.next()),
      server_(random_.next()),
      options_(choose_options(random_)),
      model_(options_.relay, setup_),
      log_(agenda_, model_, trace) {
    const std::size_t tokens = 1 + random_.below(5);
    const std::size_t sources = random_.below(tokens + 1);
    while (setup_.tokens() < sources) {
        const std::size_t token = setup_.new_token();
        setup_.set(source_name(token), token);
        if (random_.chance(0.2)) filter_in_setup(source_name(token));
    }
    while (setup_.tokens() < tokens) direct_.push_back(setup_.new_token());
    model_.set_holding([this](const std::string& name) {
        return options_.holding && holds_what_is_rejected(name);
    });
    watch_erasures();
    watch_waits();
}

World::~World() = default;

ProcessOptions World::choose_options(Random& random) {
    ProcessOptions options;
    options.connections = 1 + random.below(8);
    options.source_rate =
        random.chance(0.3) ? 0.25 * static_cast<double>(1U << random.below(5)) : 0;
    options.storage_delay = Milliseconds(random.below(50));
    options.holding = random.chance(0.5);
    options.reporting = random.chance(0.5);
    options.log.segment_size = random.chance(0.7) ? 16 * 1024 : 256 * 1024;
    options.log.max_size = 1 << 20;
    options.log.max_events = random.chance(0.1) ? 20 : 0;
    options.log.salt_seed = 1 + random.next() / 2;
    if (random.chance(0.5)) options.log.max_open_files = 1 + random.below(6);
    options.engine.cache_size = random.chance(0.5) ? 4000 : 1 << 20;
    core::RelayOptions& relay = options.relay;
    relay.destination = Setup().destination();
    options.log.dedup_window = relay.dedup_window;
    relay.active_set.capacity = 1 + random.below(random.chance(0.3) ? 5 : 40);
    relay.active_set.lane_capacity = 1 + random.below(6);
    if (random.chance(0.5)) {
        relay.unused_tokens = random.below(3);
        if (random.chance(0.3)) relay.max_unknown_tokens = 2 + random.below(4);
    }
    if (random.chance(0.3)) relay.dead_letters.max_events = 1 + random.below(5);
    if (random.chance(0.1)) relay.dead_letters.max_bytes = 1000 + random.below(4000);
    relay.gone_grace = random.chance(0.2) ? Milliseconds(0) : Seconds(1U << random.below(13));
    relay.scheduler.max_in_flight = options.connections;
    relay.scheduler.rate_limit = random.chance(0.1) ? 2 : 0;
    if (random.chance(0.5)) relay.check_idle_sources = Seconds(64ULL << random.below(8));
    return options;
}

// Starts a process, again if it crashes while it starts.
void World::start() {
    // Ids that could not be written are lost; the log says so.
    const std::uint64_t failed = log_.lines["spool.ids_failed"];
    if (failed != std::exchange(ids_failed_, failed)) {
        with_uuid_.clear();
        model_.ids_lost();
    }
    for (int attempt = 0; attempt < 100; ++attempt) {
        try {
            process_ = std::make_unique<RelayProcess>(around_, options_, random_.next());
            log_.say("-- started");
            return;
        } catch (const SimCrash&) {
            crash();
        } catch (const std::runtime_error& error) {
            log_.say(fmt::format("-- can't start: {}", error.what()));
            crash();
        }
    }
    model_.violation("the relay can't be started");
}

void World::crash() {
    ++crashes_;
    log_.say("-- crash");
    process_.reset();
    fs_.crash_at(0);
    fs_.stop_failing();
    fs_.set_capacity(1ULL << 40);
    if (random_.chance(0.7)) {
        fs_.power_failure();
        agenda_.reboot(random_.chance(0.2) ? some_step() : Milliseconds(0));
    } else {
        fs_.kill_process();
    }
    model_.ended(agenda_.now());
    if (!healed_ && random_.chance(0.2)) fs_.crash_at(1 + random_.below(10));
}

void World::run_until(MonoTime end) {
    bool more = true;
    while (more && model_.violations().empty()) {
        try {
            more = agenda_.step(end);
        } catch (const SimCrash&) {
            crash();
            start();
        }
    }
}

void World::hand_in(const std::optional<Model::Address>& to) {
    // Some events are submitted again, while their ids must still be known.
    std::erase_if(with_uuid_, [&](const auto& item) {
        return item.first + options_.relay.dedup_window <= agenda_.now().mono;
    });
    if (!with_uuid_.empty() && random_.chance(0.1)) {
        hand_in_again(with_uuid_[random_.below(with_uuid_.size())].second);
        return;
    }
    Model::HandedIn event;
    event.number = ++last_number_;
    event.to = to ? *to : some_address();
    event.thread = fmt::format("t{}", random_.below(random_.chance(0.3) ? 2 : 6));
    if (random_.chance(0.1)) event.expires_in = Seconds(1 + random_.below(3600));
    if (random_.chance(0.3)) {
        event.uuid = fmt::format("uuid-{}", event.number);
        with_uuid_.emplace_back(agenda_.now().mono, event);
        // Some producers repeat without waiting for the answer.
        for (std::uint64_t again = random_.chance(0.3) ? random_.below(5) : 0; again > 0; --again) {
            const std::uint64_t soon = random_.below(1U << random_.below(8));
            agenda_.in(Milliseconds(soon), [this, event] { hand_in_again(event); });
        }
    }
    hand_in(event);
}

// An id is known only for the slot for which it was submitted. An event with several routes is
// handed in for all that there are by now.
void World::hand_in_again(Model::HandedIn event) {
    const auto copies = model_.copies_of(event.number);
    const bool has_source = !model_.slots().of_event(event.to.name).empty();
    if (copies.size() > 1 && has_source && random_.chance(0.8)) {
        hand_in(event);
        return;
    }
    const auto slot = model_.slot_of(one_of(copies));
    const auto to = slot ? address_of(*slot) : std::nullopt;
    if (!to) return;
    event.to = *to;
    hand_in(event);
}

void World::hand_in(const Model::HandedIn& event) {
    const auto copies = model_.handed_in(event, agenda_.now());
    // check_erased() looks for the mark of a slot.
    const std::string mark =
        copies.size() == 1 ? fmt::format("{}", *model_.slot_of(copies.front())) : "several";
    std::string json = event.to.name.empty()
                           ? fmt::format(R"({{"flow_token":"{}",)", secret_of(event.to.token))
                           : fmt::format(R"({{"source":"{}",)", event.to.name);
    json += fmt::format(R"("event":"activity","title":"event {}","author":{{"name":"a"}},)"
                        R"("external_thread_id":"{}","tags":{},"body":"mark-of-{}-{:>{}}")",
                        event.number, event.thread, tags_of(event.number), mark, ".",
                        random_.below(random_.chance(0.1) ? 3000 : 300));
    if (!event.uuid.empty()) json += fmt::format(R"(,"uuid":"{}")", event.uuid);
    if (event.expires_in) {
        json +=
            fmt::format(R"(,"relay":{{"expires_in":"{}"}})", format_duration(*event.expires_in));
    }
    json += "}";
    log_.say(fmt::format("-- event {} of slot {} thread {}", event.number, mark, event.thread));
    process_->submit(json, copies);
}

void World::trouble() {
    switch (random_.below(13)) {
        case 12:
            set_wall_clock();
            break;
        case 0:
            fs_.crash_at(1 + random_.below(15));
            break;
        case 1:
            crash();
            start();
            break;
        case 2:
            if (random_.chance(0.3)) {
                log_.say("-- stop");
                process_->stop();
                process_.reset();
                model_.ended(agenda_.now());
                fs_.kill_process();
                fs_.set_capacity(1ULL << 40);
                start();
            }
            break;
        case 3:
            if (random_.chance(0.3)) {
                model_.disk_in_trouble();
                fs_.fail_next(random_.chance(0.5) ? SimOp::sync : SimOp::write, EIO);
            }
            break;
        case 4:
            if (random_.chance(0.5)) {
                model_.disk_in_trouble();
                const bool full = random_.chance(0.5);
                fs_.set_capacity(full ? 0 : 1ULL << 40);
                // Several failures may occur together.
                if (full && random_.chance(0.3)) {
                    const std::uint64_t soon = random_.below(1U << random_.below(17));
                    agenda_.in(Milliseconds(soon), [this] {
                        if (!healed_) server_.remove_token(some_token());
                    });
                }
            }
            break;
        case 5:
            replay();
            break;
        case 11:
            storm();
            break;
        case 6:
            if (random_.chance(0.3)) server_.remove_token(some_token());
            break;
        default:
            server_.change_weather(some_token());
    }
}

// Returns a clock step: years forwards, or any time backwards.
Milliseconds World::some_step() {
    const Milliseconds size = Seconds(1ULL << random_.below(30));
    return random_.chance(0.5) ? -size : size + core::Timeline::max_time_off;
}

void World::set_wall_clock() {
    const Milliseconds step = some_step();
    log_.say(fmt::format("-- the wall clock steps by {}", format_duration(step)));
    agenda_.set_wall_clock(step);
    process_->look_at_clock();
}

// Makes many concurrent requests, which are answered as if by many servers.
void World::storm() {
    const auto slot = some_slot();
    const auto to = slot ? address_of(*slot) : std::nullopt;
    if (!to) return;
    const std::size_t token = model_.slots().at(*slot).is.token;
    log_.say(fmt::format("-- storm over token {}", token));
    server_.contradict_itself(token);
    for (std::uint64_t more = 5 + random_.below(15); more > 0; --more) hand_in(*to);
    run_until(agenda_.now().mono + Milliseconds(random_.below(60'000)));
}

std::vector<Seq> World::some_of(const std::vector<Seq>& all, double chance) {
    std::vector<Seq> some;
    for (const Seq seq : all) {
        if (random_.chance(chance)) some.push_back(seq);
    }
    return some;
}

void World::operate() {
    // With rate limits there are more waits to cut short.
    if (random_.chance(options_.source_rate > 0 ? 0.3 : 0.05)) {
        retry_what_is_under_way();
        return;
    }
    const auto slot = some_slot();
    if (!slot) return;
    const auto queued = model_.queued();
    switch (random_.below(11)) {
        case 9:
        case 10:
            change_setup();
            break;
        case 0:
            log_.say(fmt::format("-- pause of slot {}", *slot));
            process_->pause(*slot);
            break;
        case 1:
        case 2:
            log_.say(fmt::format("-- resume of slot {}", *slot));
            process_->resume(*slot);
            break;
        case 3:
            enable_what_is_gone();
            break;
        case 4:
            if (queued.empty()) break;
            log_.say("-- retry");
            process_->retry(one_of(queued));
            for (const Seq seq : some_of(model_.held(), 0.5)) process_->retry(seq);
            break;
        case 5:
            log_.say("-- drop");
            process_->drop(some_of(queued, 0.3));
            break;
        case 6:
            replay();
            break;
        case 7:
            log_.say("-- reload");
            process_->reload();
            break;
        default: {
            log_.say("-- drop of dead letters");
            std::vector<Seq> letters;
            for (const auto& [seq, of] : process_->spool().letters()) {
                letters.push_back(seq);
            }
            process_->drop_letters(some_of(letters, 0.5));
        }
    }
}

// Makes the disk full or fail just when an erasure begins, or lets an operator enable the source
// after the log has reported a failed erasure.
void World::watch_erasures() {
    log_.listen("token.gone", [this] {
        if (random_.chance(0.2)) {
            const auto grace = static_cast<std::uint64_t>(options_.relay.gone_grace.count());
            agenda_.in(Milliseconds(random_.below(grace + 1)), [this] {
                if (healed_) return;
                if (random_.chance(0.5)) replay();
                enable_what_is_gone();
            });
        }
        if (!random_.chance(0.4)) return;
        agenda_.in(options_.relay.gone_grace - Milliseconds(random_.below(1000)), [this] {
            if (healed_) return;
            model_.disk_in_trouble();
            if (random_.chance(0.5)) {
                log_.say("-- the disk is full");
                fs_.set_capacity(0);
            } else {
                log_.say("-- the disk is about to fail");
                fs_.fail_next(random_.chance(0.5) ? SimOp::create : SimOp::sync, EIO);
            }
        });
    });
    log_.listen("token.erase_failed", [this] {
        if (!random_.chance(0.8)) return;
        agenda_.in(Milliseconds(random_.below(60'000)), [this] {
            if (!healed_) enable_what_is_gone();
        });
    });
}

// Ends the process during a wait that the server requested.
void World::watch_waits() {
    for (const char* line : {"destination.held", "token.throttled"}) {
        log_.listen(line, [this] {
            if (healed_ || !random_.chance(0.1)) return;
            agenda_.in(Milliseconds(random_.below(1ULL << random_.below(17))), [this] {
                if (!healed_) throw SimCrash();
            });
        });
    }
}

// Retries events in flight, like an impatient operator.
void World::retry_what_is_under_way() {
    for (int look = 0; look < 50; ++look) {
        run_until(agenda_.now().mono + Milliseconds(random_.below(30)));
        const auto seqs = model_.under_way();
        if (seqs.empty() || random_.chance(0.7)) continue;
        log_.say("-- retry of what is under way");
        for (const Seq seq : seqs) process_->retry(seq);
    }
}

// Replays some dead letters, which the server may now accept.
void World::replay() {
    server_.set_lenient(random_.chance(0.5));
    std::vector<Seq> letters;
    for (const auto& [seq, token] : process_->spool().letters()) {
        if (random_.chance(0.5)) letters.push_back(seq);
    }
    log_.say(fmt::format("-- replay of {}", letters.size()));
    process_->replay(std::move(letters));
}

void World::live() {
    start();
    const std::uint64_t events = 20 + random_.below(100);
    const std::uint64_t pace = 1ULL << random_.below(17);  // ms
    for (std::uint64_t i = 0; i < events && model_.violations().empty(); ++i) {
        const std::uint64_t burst = random_.chance(0.1) ? 1 + random_.below(20) : 1;
        for (std::uint64_t j = 0; j < burst; ++j) hand_in();
        run_until(agenda_.now().mono + Milliseconds(random_.below(2 * pace)));
        if (!random_.chance(0.5)) continue;
        try {
            if (random_.chance(0.35)) {
                operate();
            } else {
                trouble();
            }
        } catch (const SimCrash&) {
            crash();
            start();
        }
    }
    if (model_.violations().empty()) settle_everything();
}

void World::settle_everything() {
    log_.say("-- all is well");
    healed_ = true;
    server_.heal();
    fs_.crash_at(0);
    fs_.stop_failing();
    fs_.set_capacity(1ULL << 40);
    // A failed process stays failed until a restart.
    if (process_->failed() || random_.chance(0.3)) restart();
    run_until(agenda_.now().mono + Seconds(1));  // lets operators' calls end
    give_all_a_source();
    load_setup();
    decide_everything();
    // A drop that could not be written has no effect after a restart.
    if (model_.is_unsure_of_a_drop()) {
        restart();
        decide_everything();
    }
    // Outlast the longest waits: a Retry-After of an hour, the grace of a token that is gone.
    run_until(agenda_.now().mono + std::chrono::minutes(247));
    if (!model_.violations().empty()) return;
    if (options_.reporting) hand_in_the_last();
    // The clock may just be being saved, which happens every five minutes.
    if (!process_->idle()) run_until(agenda_.now().mono + Seconds(5));
    if (!process_->idle()) model_.violation("something never ends");
    model_.finished(look(process_->spool(), setup_));
    if (process_->relay().destination().queued() != process_->spool().usage().events) {
        model_.violation("the relay has another idea than the disk of what is queued");
    }
    check_erased();
    check_reports();
}

void World::restart() {
    process_->stop();
    process_.reset();
    model_.ended(agenda_.now());
    fs_.kill_process();
    start();
}

// Lets operators decide about all held events and paused sources.
void World::decide_everything() {
    const bool lenient = random_.chance(0.5);
    server_.set_lenient(lenient);
    for (const std::size_t slot : slots_there_are()) process_->resume(slot);
    options_.relay.dead_letters = core::DeadLetterLimits();
    process_->set_letter_limits(options_.relay.dead_letters);
    for (int round = 0; round < 1000 && model_.violations().empty(); ++round) {
        run_until(agenda_.now().mono + Seconds(400));
        const auto held = model_.held();
        // If only invalid events are left, they are dropped. If so many threads begin with one that
        // the token is parked again and again, let the server accept them.
        if (round == 30) server_.set_lenient(true);
        for (const std::size_t slot : slots_there_are()) process_->resume(slot);
        if (held.empty()) {
            if (round > 40) return;
            continue;
        }
        if (lenient) {
            for (const Seq seq : held) process_->retry(seq);
        } else {
            process_->drop(held);
        }
    }
}

// Submits one more event for each source, so that it is known to be well and its flow is told so.
void World::hand_in_the_last() {
    for (const auto& [name, token] : setup_.sources()) {
        Model::HandedIn event;
        do {
            event.number = ++last_number_;
        } while (is_unacceptable(event.number) || !lets_pass(setup_.filter_of(name), event.number));
        event.to.name = name;
        event.thread = "the-last";
        hand_in(event);
    }
    run_until(agenda_.now().mono + std::chrono::hours(3));
}

void World::check_reports() {
    if (!options_.reporting) return;
    for (const auto& [name, token] : setup_.sources()) {
        const auto slot = model_.slots().of_name(name);
        if (!slot || model_.is_gone(*slot) || server_.is_gone(token)) continue;
        if (server_.shown(token).empty()) continue;
        model_.violation(
            fmt::format("the flow of token {} still reads: {}", token, server_.shown(token)));
    }
}

void World::check_erased() {
    std::set<std::size_t> in_use;
    for (const std::size_t slot : slots_there_are()) {
        const auto& tokens = model_.slots().at(slot).tokens;
        if (!model_.is_gone(slot)) in_use.insert(tokens.begin(), tokens.end());
    }
    for (std::size_t slot = 0; slot < model_.slots().all().size(); ++slot) {
        if (!model_.is_gone(slot)) continue;
        if (fs_.holds(fmt::format("mark-of-{}-", slot))) {
            model_.violation(fmt::format("an event of slot {} is still on the disk", slot));
        }
        for (const std::size_t token : model_.slots().at(slot).tokens) {
            if (in_use.contains(token) || !fs_.holds(secret_of(token))) continue;
            model_.violation(fmt::format("token {} is still on the disk", token));
        }
    }
}

}  // namespace flowrelay::test
