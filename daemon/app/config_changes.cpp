#include "config_changes.hpp"

#include <algorithm>

namespace flowrelay::app {

namespace {

constexpr bool reload = true;    // a running daemon takes it over
constexpr bool restart = false;  // counts at the next start

// Each key but those of the sources: its place in Config, its name, how it takes effect.
#define FLOWRELAY_CONFIG_KEYS(X)                                                              \
    X(destination.base_url, "destination.base_url", reload)                                   \
    X(destination.path, "destination.path", reload)                                           \
    X(destination.ca_file, "destination.ca_file", reload)                                     \
    X(destination.client_certificate, "destination.client_certificate", reload)               \
    X(destination.client_certificate_credential, "destination.client_certificate_credential", \
      reload)                                                                                 \
    X(destination.client_key, "destination.client_key", reload)                               \
    X(destination.client_key_credential, "destination.client_key_credential", reload)         \
    X(destination.proxy, "destination.proxy", reload)                                         \
    X(destination.proxy_credentials_file, "destination.proxy_credentials_file", reload)       \
    X(destination.proxy_credential, "destination.proxy_credential", reload)                   \
    X(destination.connect_timeout, "destination.connect_timeout", reload)                     \
    X(destination.request_timeout, "destination.request_timeout", reload)                     \
    X(destination.max_connections, "destination.max_connections", reload)                     \
    X(destination.rate_limit, "destination.rate_limit", reload)                               \
    X(destination.allow_plaintext, "destination.allow_plaintext", reload)                     \
    X(ingest.socket, "ingest.socket", restart)                                                \
    X(ingest.socket_mode, "ingest.socket_mode", restart)                                      \
    X(ingest.socket_group, "ingest.socket_group", restart)                                    \
    X(ingest.listen, "ingest.listen", restart)                                                \
    X(ingest.max_event_size, "ingest.max_event_size", reload)                                 \
    X(ingest.max_connections, "ingest.max_connections", reload)                               \
    X(ingest.accept_unknown_tokens, "ingest.unknown_tokens", reload)                          \
    X(control.socket, "control.socket", restart)                                              \
    X(control.socket_mode, "control.socket_mode", restart)                                    \
    X(control.socket_group, "control.socket_group", restart)                                  \
    X(spool.directory, "spool.directory", restart)                                            \
    X(spool.max_size, "spool.max_size", restart)                                              \
    X(spool.max_events, "spool.max_events", restart)                                          \
    X(spool.segment_size, "spool.segment_size", restart)                                      \
    X(spool.dedup_window, "spool.dedup_window", reload)                                       \
    X(retry.initial, "retry.initial", reload)                                                 \
    X(retry.max, "retry.max", reload)                                                         \
    X(retry.max_age, "retry.max_age", reload)                                                 \
    X(gone.grace, "gone.grace", reload)                                                       \
    X(dead_letters.max_events, "dead_letters.max_events", reload)                             \
    X(dead_letters.max_bytes, "dead_letters.max_bytes", reload)                               \
    X(dead_letters.max_age, "dead_letters.max_age", reload)                                   \
    X(log.format, "log.format", restart)                                                      \
    X(log.level, "log.level", reload)                                                         \
    X(log.stats_interval, "log.stats_interval", reload)                                       \
    X(metrics.listen, "metrics.listen", restart)                                              \
    X(metrics.allow_remote, "metrics.allow_remote", restart)

bool same(const SourceConfig& a, const SourceConfig& b) {
    return a.flow_token_file == b.flow_token_file &&
           a.flow_token_credential == b.flow_token_credential &&
           a.flow_token_env == b.flow_token_env && a.rate_limit == b.rate_limit &&
           a.hold_rejected == b.hold_rejected && a.defaults == b.defaults;
}

const SourceConfig* find_source(const Config& config, std::string_view name) {
    const auto found = std::ranges::find(config.sources, name, &SourceConfig::name);
    return found == config.sources.end() ? nullptr : &*found;
}

/// The size of an event is bounded by that of a segment, which stays what it is.
bool fits_segments(const Config& running, const Config& wanted) {
    return wanted.ingest.max_event_size <= running.spool.segment_size / 2;
}

}  // namespace

ConfigChanges compare(const Config& running, const Config& wanted) {
    ConfigChanges changes;
    const auto note = [&](bool same_value, const char* key, bool live) {
        if (same_value) return;
        if (std::string_view(key) == "ingest.max_event_size") live = fits_segments(running, wanted);
        (live ? changes.live : changes.restart).emplace_back(key);
    };
#define FLOWRELAY_COMPARE(member, key, takes) note(running.member == wanted.member, key, takes);
    FLOWRELAY_CONFIG_KEYS(FLOWRELAY_COMPARE)
#undef FLOWRELAY_COMPARE
    return changes;
}

Config in_force(const Config& running, const Config& wanted) {
    Config config = wanted;
#define FLOWRELAY_KEEP(member, key, takes) \
    if constexpr (takes == restart) config.member = running.member;
    FLOWRELAY_CONFIG_KEYS(FLOWRELAY_KEEP)
#undef FLOWRELAY_KEEP
    if (!fits_segments(running, wanted)) {
        config.ingest.max_event_size = running.ingest.max_event_size;
    }
    return config;
}

std::set<std::string> changed_sources(const Config& running, const Config& wanted) {
    std::set<std::string> names;
    for (const auto& source : running.sources) {
        const SourceConfig* other = find_source(wanted, source.name);
        if (other == nullptr || !same(source, *other)) names.insert(source.name);
    }
    for (const auto& source : wanted.sources) {
        if (find_source(running, source.name) == nullptr) names.insert(source.name);
    }
    return names;
}

std::vector<std::string_view> compared_keys() {
#define FLOWRELAY_NAME(member, key, takes) key,
    return {FLOWRELAY_CONFIG_KEYS(FLOWRELAY_NAME)};
#undef FLOWRELAY_NAME
}

std::vector<std::string_view> restart_keys() {
    std::vector<std::string_view> keys;
#define FLOWRELAY_RESTART(member, key, takes) \
    if constexpr (takes == restart) keys.emplace_back(key);
    FLOWRELAY_CONFIG_KEYS(FLOWRELAY_RESTART)
#undef FLOWRELAY_RESTART
    return keys;
}

}  // namespace flowrelay::app
