#include "config_changes.hpp"

#include <algorithm>

#include "config_table.hpp"

namespace flowrelay::app {

namespace {

using namespace config_table;

const SourceConfig* find_source(const Config& config, std::string_view name) {
    const auto found = std::ranges::find(config.sources, name, &SourceConfig::name);
    return found == config.sources.end() ? nullptr : &*found;
}

/// The segment size limits the size of events, and does not change without a restart.
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
        if (other == nullptr || *other != source) names.insert(source.name);
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
