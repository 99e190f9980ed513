#include "setup.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "config_reader.hpp"
#include "destination_files.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/runtime/peer.hpp"
#include "flowrelay/storage/path.hpp"

namespace flowrelay::app {
namespace {

/// Returns the value, or throws the error's message, which at start-up ends the process.
template <class T>
T or_throw(Result<T> result) {
    if (result.has_error()) throw std::runtime_error(result.error().message);
    return std::move(*result);
}

/// Replaces the last component: "/v1/messages" -> "/v1/sources".
std::string sources_path_beside(std::string_view path) {
    return std::string(path.substr(0, path.rfind('/') + 1)) + "sources";
}

void check_group(const Config& config, std::string_view key, const std::string& name,
                 std::vector<ConfigProblem>& problems) {
    if (name.empty() || runtime::find_group(name)) return;
    problems.push_back(problem_with(config, key, fmt::format("there is no group {}", show(name))));
}

/// Returns "flowrelay", or "uid 998" if the user has no name.
std::string user_name(::uid_t uid) {
    const passwd* user = ::getpwuid(uid);
    return user != nullptr ? user->pw_name : fmt::format("uid {}", uid);
}

/// Root could open the spool of another user, but would leave files there that the user can't open.
void refuse_to_run_as_root(const std::string& directory, ::uid_t owner) {
    if (::geteuid() != 0 || owner == 0) return;
    throw std::runtime_error(fmt::format(
        "the state directory {} belongs to {}, and this is root, whose files {} could not open: "
        "run "
        "it as that user (`runuser -u {} -- flowrelayd --config FILE`), or start the service",
        directory, user_name(owner), user_name(owner), user_name(owner)));
}

/// Returns what to do if a file of the state directory can't be opened for lack of permission:
/// another user has run the daemon on it, or created the file.
std::string hint_of(const Error& error, const std::string& directory) {
    if (error.code != boost::system::errc::permission_denied) return {};
    return fmt::format(
        ": it has to belong to {}, the user of flowrelayd: `chown -R {}: {}` as root",
        user_name(::geteuid()), user_name(::geteuid()), directory);
}

/// Two sources can't share a token: their events could not be told apart nor kept in order.
void refuse_shared_token(const SourceConfig& source, const Secret& token,
                         const std::vector<core::ConfiguredSource>& earlier,
                         std::vector<ConfigProblem>& problems) {
    const auto other = std::ranges::find(earlier, token, &core::ConfiguredSource::secret);
    if (other == earlier.end()) return;
    const std::string& file = source.flow_token_file;
    problems.push_back(
        {file.empty() ? "configuration" : file, 0, 0,
         fmt::format("source `{}` has the same token as source `{}`: each source needs its own",
                     source.name, other->name)});
}

/// Users who can write to the state directory could add events, tokens and erasures.
void refuse_foreign_writers(const std::string& directory) {
    struct stat info{};
    if (::stat(directory.c_str(), &info) != 0) return;  // reported when it is opened
    refuse_to_run_as_root(directory, info.st_uid);
    const bool by_all = (info.st_mode & S_IWOTH) != 0;
    const bool by_group =
        (info.st_mode & S_IWGRP) != 0 && info.st_gid != ::getegid() && info.st_gid != 0;
    const bool by_owner = info.st_uid != ::geteuid() && info.st_uid != 0;
    if (!by_all && !by_group && !by_owner) return;
    throw std::runtime_error(fmt::format(
        "the state directory {} may be written to by others ({}): `chown` it to the daemon's user "
        "and `chmod 0700` it",
        directory,
        by_all     ? "all users"
        : by_group ? "its group"
                   : "its owner"));
}

// Returns the configured path and proxy; empty if both have their defaults.
std::string route_of(const DestinationConfig& config) {
    const DestinationConfig defaults;
    std::string route;
    if (config.path != defaults.path) route += " path " + config.path;
    if (config.proxy != defaults.proxy) route += " proxy " + config.proxy;
    return route;
}

}  // namespace

core::RelayOptions relay_options(const Config& config) {
    core::RelayOptions options;
    options.scheduler.lane_backoff = {config.retry.initial, config.retry.max};
    options.scheduler.token_backoff = {config.retry.initial, config.retry.max};
    options.scheduler.destination_backoff = {config.retry.initial, config.retry.max};
    options.scheduler.max_age = config.retry.max_age;
    options.scheduler.max_in_flight = config.destination.max_connections;
    options.scheduler.rate_limit = config.destination.rate_limit;
    options.scheduler.rate_burst = config.destination.rate_burst;
    options.max_events_per_token = config.spool.max_events_per_token;
    options.max_event_size = config.ingest.max_event_size;
    options.gone_grace = config.gone.grace;
    options.dead_letters = config.dead_letters;
    options.problem_reports = config.problem_reports;
    options.dedup_window = config.spool.dedup_window;
    options.accept_unknown_tokens = config.ingest.accept_unknown_tokens;
    options.max_unknown_tokens = config.ingest.max_unknown_tokens;
    options.check_idle_sources = config.destination.check_idle_sources;
    options.destination = config.destination.base_url;
    options.route = route_of(config.destination);
    return options;
}

runtime::Destination make_destination(const Config& config) {
    const auto url = or_throw(parse_base_url(config.destination.base_url));
    runtime::Destination destination;
    destination.tls = url.tls;
    destination.host = url.host;
    destination.port = url.port;
    destination.authority = url.authority;
    destination.target = url.path_prefix + config.destination.path;
    destination.sources_target = url.path_prefix + sources_path_beside(config.destination.path);
    destination.connect_timeout = config.destination.connect_timeout;
    destination.request_timeout = config.destination.request_timeout;
    const runtime::Environment environment = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value == nullptr ? "" : value);
    };
    destination.expects_json = config.destination.expects_json;
    auto route = runtime::choose_proxy(config.destination.proxy, destination, environment);
    if (route.has_error()) {
        throw ConfigError({ConfigProblem{"configuration", 0, 0, route.error().message}});
    }
    destination.proxy = std::move(route->proxy);
    destination.proxy_from = std::move(route->from);
    destination.why_no_proxy = std::move(route->why_not);
    destination.unusable_exceptions = std::move(route->unusable);
    const Secret credentials = load_proxy_credentials(config.destination);
    if (destination.proxy && !credentials.empty()) {
        destination.proxy->authorization = runtime::basic_authorization(credentials);
    }
    return destination;
}

void tell_route(const runtime::Destination& destination, Log& log) {
    namespace ev = core::log_events;
    if (!destination.unusable_exceptions.empty()) {
        log.write(
            ev::destination_proxy_unclear,
            {{"entries", fmt::format("{}", fmt::join(destination.unusable_exceptions, ","))}});
    }
    if (destination.proxy_from.empty()) return;
    const auto& proxy = destination.proxy;
    const std::string where = proxy ? fmt::format("{}:{}", proxy->host, proxy->port) : "none";
    log.write(
        ev::destination_proxy,
        {{"proxy", where}, {"from", destination.proxy_from}, {"why", destination.why_no_proxy}});
}

std::vector<core::ConfiguredSource> read_sources(const Config& config) {
    std::vector<core::ConfiguredSource> sources;
    std::vector<ConfigProblem> problems;
    for (const auto& source : config.sources) {
        try {
            Secret token = load_token(source);
            refuse_shared_token(source, token, sources, problems);
            sources.push_back({source.name, std::move(token), source.rules});
        } catch (const ConfigError& error) {
            problems.insert(problems.end(), error.problems().begin(), error.problems().end());
        }
    }
    if (!problems.empty()) throw ConfigError(std::move(problems));
    return sources;
}

Surroundings read_surroundings(const Config& config) {
    Surroundings around;
    std::vector<ConfigProblem> problems;
    const auto attempt = [&](const auto& step) {
        try {
            step();
        } catch (const ConfigError& error) {
            problems.insert(problems.end(), error.problems().begin(), error.problems().end());
        }
    };
    attempt([&] { around.sources = read_sources(config); });
    attempt([&] { around.destination = make_destination(config); });
    attempt([&] { around.tls = make_tls_context(config.destination); });
    check_group(config, "ingest.socket_group", config.ingest.socket_group, problems);
    check_group(config, "control.socket_group", config.control.socket_group, problems);
    if (config.control.admin_group != default_admin_group) {
        check_group(config, "control.admin_group", config.control.admin_group, problems);
    }
    if (!problems.empty()) throw ConfigError(std::move(problems));
    return around;
}

storage::QueueLimits queue_limits(const Config& config) {
    return {config.spool.max_size, config.spool.max_events, config.spool.dedup_window};
}

void warn_of_small_disk(const SpoolConfig& config, const storage::Spool& spool,
                        storage::FileSystem& file_system, Log& log) {
    const auto free = file_system.free_space(config.directory);
    if (free.has_error()) return;
    const std::uint64_t available = *free + spool.usage().disk_bytes;
    if (config.max_size <= available) return;
    log.write(
        core::log_events::spool_disk_too_small,
        {{"directory", config.directory}, {"max_size", config.max_size}, {"available", available}});
}

std::unique_ptr<storage::Spool> open_spool(const SpoolConfig& config, std::size_t max_open_files,
                                           storage::FileSystem& file_system, Log& log) {
    const auto there = file_system.exists(config.directory);
    if (there.has_error()) throw std::runtime_error(there.error().message);
    auto made = file_system.make_directory(config.directory);
    if (made.has_value()) {
        // Sync even if the directory already existed: a process may have been killed just after
        // creating it. If an administrator created it, the service may be unable to open its
        // parent.
        made = file_system.sync_directory(storage::parent_of(config.directory));
        const bool is_closed =
            made.has_error() && made.error().code == boost::system::errc::permission_denied;
        if (*there && is_closed) made = Result<void>();
    }
    if (made.has_error()) throw std::runtime_error(made.error().message);
    refuse_foreign_writers(config.directory);
    storage::LogOptions options;
    options.segment_size = config.segment_size;
    options.max_size = config.max_size;
    options.max_events = config.max_events;
    options.dedup_window = config.dedup_window;
    options.max_open_files = max_open_files;
    auto spool = storage::Spool::open(file_system, config.directory, options, log);
    if (spool.has_error()) {
        throw std::runtime_error(spool.error().message + hint_of(spool.error(), config.directory));
    }
    return std::move(*spool);
}

}  // namespace flowrelay::app
