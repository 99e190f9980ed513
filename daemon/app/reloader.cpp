#include "reloader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include "config_changes.hpp"
#include "descriptors.hpp"
#include "flowrelay/core/log_events.hpp"
#include "setup.hpp"

namespace flowrelay::app {

namespace ev = core::log_events;

namespace {

/// Returns whether new connections are needed.
bool concerns_destination(const std::vector<std::string>& keys) {
    return std::ranges::any_of(keys, [](const std::string& key) {
        return key.starts_with("destination.") && !key.starts_with("destination.rate_") &&
               key != "destination.max_connections";
    });
}

/// Returns whether the section names files, whose contents may have changed although the names have
/// not.
bool names_files(const DestinationConfig& config) {
    return !config.ca_file.empty() || !config.client_certificate.empty() ||
           !config.proxy_credentials_file.empty();
}

/// Runs `read`, which reads files. Returns false if that fails; `result` then has the problems.
template <class Read>
bool can_read(runtime::ReloadResult& result, const Read& read) {
    try {
        read();
        return true;
    } catch (const ConfigError& error) {
        for (const auto& problem : error.problems()) result.problems.push_back(to_string(problem));
    } catch (const std::exception& error) {
        result.problems.emplace_back(error.what());
    }
    return false;
}

}  // namespace

Reloader::Reloader(std::string file, Parts parts, Log& log, const Clock& clock)
    : file_(std::move(file)), parts_(parts), log_(log), clock_(clock) {}

void Reloader::reload(const runtime::ReloadRequest& request, runtime::ReloadDone done) {
    runtime::StorageMailbox& storage = parts_.engine.storage();
    if (request.plan) {
        storage.barrier([done = std::move(done), planned = plan(request)] { done(planned); });
        return;
    }
    parts_.notifier.reloading();
    std::vector<core::TokenEntry> entries;
    auto result = try_reload(request, entries);
    parts_.control.reload_failed = !result.applied;
    auto finish = [this, done = std::move(done),
                   result = std::move(result)](const Result<void>& saved) {
        runtime::ReloadResult told = result;
        if (saved.has_error()) told.not_saved = saved.error();
        tell(told);
        if (!parts_.control.stopping()) parts_.notifier.ready();
        done(std::move(told));
    };
    if (entries.empty()) {
        storage.barrier([finish = std::move(finish)] { finish(Result<void>()); });
        return;
    }
    // The tokens take effect at once, but success is reported only once they are on disk: after a
    // crash, the next change is compared with the registry.
    parts_.engine.save(std::move(entries), std::move(finish));
}

runtime::ReloadResult Reloader::try_reload(const runtime::ReloadRequest& request,
                                           std::vector<core::TokenEntry>& entries) {
    runtime::ReloadResult result;
    Config wanted;
    Surroundings around;
    const bool usable = can_read(result, [&] {
        wanted = load_config(file_);
        around = read_surroundings(wanted);  // finds everything that would fail at the next start
    });
    if (!usable) return result;
    note_consequences(wanted, result);
    if (would_destroy(wanted, request, result) && !request.accept_loss) return result;
    // Nothing below can fail, so the configuration is never partly replaced.
    const ConfigChanges changes = compare(parts_.config, wanted);
    const bool another_destination = concerns_destination(changes.live);
    const Config before = std::exchange(parts_.config, in_force(parts_.config, wanted));
    parts_.output.set_level(parts_.config.log.level);
    parts_.engine.relay().set_options(relay_options(parts_.config));
    const bool another_size = before.spool.max_size != parts_.config.spool.max_size;
    parts_.engine.storage().set_limits(queue_limits(parts_.config));
    if (another_size) {
        parts_.engine.storage().ask([this, config = parts_.config.spool](storage::Spool& spool) {
            warn_of_small_disk(config, spool, parts_.file_system, log_);
            return std::function<void()>([] {});
        });
    }
    parts_.delivery.set_max_connections(parts_.config.destination.max_connections);
    if (around.tls) {
        parts_.control.certificate_expires = around.tls->certificate_expires();
    } else {
        parts_.control.certificate_expires.reset();
    }
    // The system's trusted certificates may have changed as well.
    if (another_destination || names_files(parts_.config.destination) ||
        parts_.config.destination.base_url.starts_with("https:")) {
        if (another_destination) tell_route(around.destination, log_);
        parts_.delivery.retarget(std::move(around.destination), std::move(around.tls));
    }
    parts_.engine.relay().destination().scheduler().try_destination_now(clock_.now());
    parts_.control.spool_max_bytes = parts_.config.spool.max_size;
    parts_.control.base_url = parts_.config.destination.base_url;
    const std::uint64_t needed = descriptors_needed(parts_.config).total();
    parts_.ingest.set_max_connections(
        share_descriptors(parts_.config, raise_descriptor_limit(needed)).producers);
    parts_.ingest.set_max_per_uid(parts_.config.ingest.max_connections_per_uid);
    parts_.stats.set_interval(parts_.config.log.stats_interval);
    result.changed = changes.live;
    const auto slots = core::source_slots(parts_.engine.relay().tokens());
    auto changed = configure_sources(before, std::move(around.sources));
    entries = std::move(changed.entries);
    for (const auto& name : changed.names) result.changed.push_back("sources." + name);
    result.sources =
        core::compare_sources(slots, core::source_slots(parts_.engine.relay().tokens()),
                              app::changed_sources(before, parts_.config));
    parts_.engine.wake();
    result.restart = changes.restart;
    result.problems.clear();
    result.applied = true;
    return result;
}

runtime::ReloadResult Reloader::plan(const runtime::ReloadRequest& request) const {
    runtime::ReloadResult result;
    Config wanted;
    std::vector<core::ConfiguredSource> sources;
    const bool usable = can_read(result, [&] {
        wanted = load_config(file_);
        sources = read_sources(wanted);
    });
    if (!usable) return result;
    note_consequences(wanted, result);
    would_destroy(wanted, request, result);
    const ConfigChanges changes = compare(parts_.config, wanted);
    result.changed = changes.live;
    result.restart = changes.restart;
    core::TokenTable tokens = parts_.engine.relay().tokens();
    const auto before = core::source_slots(tokens);
    static_cast<void>(tokens.configure(std::move(sources), clock_.now().wall));
    result.sources = core::compare_sources(before, core::source_slots(tokens),
                                           changed_sources(parts_.config, wanted));
    result.planned = std::move(tokens);
    return result;
}

// Only the age of dead letters can drop data: events that expire by a shorter retry.max_age become
// dead letters.
bool Reloader::would_destroy(const Config& wanted, const runtime::ReloadRequest& request,
                             runtime::ReloadResult& result) const {
    const Milliseconds max_age = wanted.dead_letters.max_age;
    if (!request.oldest_death || max_age >= parts_.config.dead_letters.max_age) return false;
    const Milliseconds age = clock_.now().wall - *request.oldest_death;
    if (age <= max_age) return false;
    result.would_destroy = true;
    result.problems.push_back(
        fmt::format("{}: dead_letters.max_age {} is shorter than the {} in force: the dead letters "
                    "over it would "
                    "be dropped, the oldest of them {} old. Replay or drop them first, or put the "
                    "file in force "
                    "with `flowrelay reload --accept-loss`",
                    file_, format_duration(max_age),
                    format_duration(parts_.config.dead_letters.max_age), format_duration(age)));
    return true;
}

void Reloader::note_consequences(const Config& wanted, runtime::ReloadResult& result) const {
    const auto status = parts_.engine.relay().destination().scheduler().status();
    const Milliseconds max_age = wanted.retry.max_age;
    const Milliseconds age = clock_.now().wall - status.oldest;
    if (max_age < parts_.config.retry.max_age && status.queued > 0 && age > max_age) {
        result.consequences.push_back(
            fmt::format("retry.max_age: queued events older than {} become dead letters now, as "
                        "many as there is "
                        "room for; the oldest is {} old",
                        format_duration(max_age), format_duration(age)));
    }
    const core::LetterUsage& letters = parts_.engine.relay().letters().room().usage();
    if (letters.letters >= wanted.dead_letters.max_events ||
        letters.bytes >= wanted.dead_letters.max_bytes) {
        result.consequences.emplace_back(
            "dead_letters: they are full, so refused events hold their threads and nothing "
            "expires");
    }
}

bool Reloader::is_renewed(const SourceConfig& source) {
    if (source.flow_token_file.empty()) return false;
    const core::Relay& relay = parts_.engine.relay();
    const auto& slots = relay.tokens().all();
    const auto slot = std::ranges::find_if(slots, [&](const auto& item) {
        return item.second.is_source() && item.second.entry.source == source.name;
    });
    if (slot == slots.end()) return false;
    const auto status = relay.destination().scheduler().token_status(slot->first);
    if (status.state != core::TokenState::parked) return false;
    return load_token(source) != slot->second.entry.secret;
}

void Reloader::renew_parked_tokens() {
    const auto& config = parts_.config;
    Problems problems;
    std::vector<std::string> renewed;
    for (const auto& source : config.sources) {
        try {
            if (is_renewed(source)) renewed.push_back(source.name);
        } catch (const ConfigError& error) {
            problems.emplace(source.name, to_string(error.problems().front()));
        }
    }
    try {
        if (!renewed.empty()) {
            auto changed = configure_sources(config, read_sources(config));
            if (!changed.entries.empty()) parts_.engine.save(std::move(changed.entries));
            parts_.engine.wake();
            for (const auto& name : changed.names) {
                log_.write(ev::token_renewed, {{"source", name}});
            }
        }
    } catch (const ConfigError& error) {
        for (const auto& name : renewed) {
            problems.emplace(name, to_string(error.problems().front()));
        }
    }
    tell_unusable(problems);
}

// Logs problems that occur twice in a row: a file may be only partly written at the first time.
void Reloader::tell_unusable(const Problems& problems) {
    Problems told;
    for (const auto& [source, why] : problems) {
        const auto last = unusable_.find(source);
        if (last == unusable_.end() || last->second != why) continue;
        const auto before = told_unusable_.find(source);
        const bool known = before != told_unusable_.end() && before->second == why;
        if (!known) log_.write(ev::token_not_renewed, {{"source", source}, {"reason", why}});
        told.emplace(source, why);
    }
    unusable_ = problems;
    told_unusable_ = std::move(told);
}

// If the registry can't be written now, the next event of the source writes its slot, or the write
// is retried.
Reloader::SourcesChanged Reloader::configure_sources(const Config& before,
                                                     std::vector<core::ConfiguredSource> sources) {
    std::set<std::string> names = changed_sources(before, parts_.config);
    std::map<std::string, TokenId> were_configured;
    for (const auto& [id, token] : parts_.engine.relay().tokens().all()) {
        if (token.is_source()) {
            were_configured.emplace(token.entry.source, id);
        }
    }
    SourcesChanged changed;
    changed.entries = parts_.engine.relay().configure(std::move(sources), clock_.now());
    // A new source, or another token.
    for (const auto& entry : changed.entries) names.insert(entry.source);
    for (const auto& [name, id] : were_configured) {
        const core::Token& token = parts_.engine.relay().tokens().at(id);
        const auto queued = parts_.engine.relay().lifecycle().queued(id);
        if (!token.missing() || queued == 0) continue;
        log_.write(ev::token_missing,
                   {{"source", name}, {"slot", core::slot_name(id)}, {"queued", queued}});
    }
    changed.names.assign(names.begin(), names.end());
    return changed;
}

void Reloader::tell(const runtime::ReloadResult& result) {
    if (!result.applied) {
        for (const auto& problem : result.problems) {
            log_.write(ev::config_invalid, {{"reason", problem}});
        }
        log_.write(ev::config_not_reloaded,
                   {{"file", file_}, {"problems", result.problems.size()}});
        return;
    }
    log_.write(ev::config_reloaded, {{"file", file_},
                                     {"changed", fmt::format("{}", fmt::join(result.changed, ","))},
                                     {"sources", parts_.config.sources.size()}});
    if (result.restart.empty()) return;
    log_.write(ev::config_needs_restart,
               {{"file", file_}, {"keys", fmt::format("{}", fmt::join(result.restart, ","))}});
}

}  // namespace flowrelay::app
