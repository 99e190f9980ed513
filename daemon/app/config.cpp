#include "flowrelay/app/config.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <tuple>
#include <utility>

#include "config_connect.hpp"
#include "config_destination.hpp"
#include "config_file.hpp"
#include "config_pages.hpp"
#include "config_reader.hpp"
#include "config_sources.hpp"
#include "config_yaml.hpp"
#include "letter_age.hpp"

namespace flowrelay::app {

namespace {

constexpr std::uint64_t KiB = 1ULL << 10;
constexpr std::uint64_t MiB = 1ULL << 20;
constexpr std::uint64_t GiB = 1ULL << 30;
constexpr std::uint64_t TiB = 1ULL << 40;
constexpr Milliseconds day = Hours(24);
constexpr std::size_t longest_socket_path = 107;  // sockaddr_un
constexpr std::size_t largest_file = 1 << 20;

void read_listen(const MapReader& map, std::string& out) {
    map.read("listen", out);
    if (out.empty()) return;
    if (const auto address = parse_listen_address(out); !address) {
        map.complain("listen", address.error().message);
    }
}

void read_ingest(const MapReader& map, IngestConfig& out) {
    map.read_path("socket", out.socket, longest_socket_path);
    map.read_mode("socket_mode", out.socket_mode);
    map.read("socket_group", out.socket_group);
    read_listen(map, out.listen);
    map.read_size("max_event_size", out.max_event_size, KiB, 16 * MiB);
    map.read_number("max_connections", out.max_connections, 1U, 65536U);
    map.read_number("max_connections_per_uid", out.max_connections_per_uid, 0U, 65536U);
    out.accept_unknown_tokens = map.read_word("unknown_tokens", {"accept", "reject"},
                                              out.accept_unknown_tokens ? 0 : 1) == 0;
    map.read_number("max_unknown_tokens", out.max_unknown_tokens, 2U, 10'000'000U);
}

void read_control(const MapReader& map, ControlConfig& out) {
    map.read_path("socket", out.socket, longest_socket_path);
    map.read_mode("socket_mode", out.socket_mode);
    map.read("socket_group", out.socket_group);
    map.read("admin_group", out.admin_group);
}

void read_spool(const MapReader& map, SpoolConfig& out) {
    map.read_path("directory", out.directory);
    map.read_size("segment_size", out.segment_size, 64 * KiB, GiB);
    map.read_size("max_size", out.max_size, 128 * KiB, 1024 * TiB);
    if (out.max_size / 2 < out.segment_size) {
        map.complain("max_size",
                     fmt::format("{} has no room for two segments of {}", format_size(out.max_size),
                                 format_size(out.segment_size)));
    }
    map.read_number("max_events", out.max_events, std::uint64_t{0},
                    std::numeric_limits<std::uint64_t>::max());
    map.read_number("max_events_per_token", out.max_events_per_token, std::uint64_t{0},
                    std::numeric_limits<std::uint64_t>::max());
    map.read_duration("dedup_window", out.dedup_window, Milliseconds(0), day);
}

void read_retry(const MapReader& map, RetryConfig& out) {
    map.read_duration("initial", out.initial, Milliseconds(10), Hours(1));
    map.read_duration("max", out.max, Milliseconds(10), day);
    if (out.max < out.initial) {
        map.complain("max", fmt::format("{} is less than retry.initial, {}",
                                        format_duration(out.max), format_duration(out.initial)));
    }
    map.read_duration("max_age", out.max_age, Seconds(1), 365 * day);
}

void read_dead_letters(const MapReader& map, core::DeadLetterLimits& out) {
    map.read_number("max_events", out.max_events, std::uint64_t{1}, std::uint64_t{10'000'000});
    map.read_size("max_bytes", out.max_bytes, 1 << 20, 2ULL << 30);
    map.read_duration("max_age", out.max_age, shortest_letter_age, longest_letter_age);
}

void read_problem_reports(const MapReader& map, core::ProblemReportTimes& out) {
    map.read_duration("after", out.after, Milliseconds(0), day);
    map.read_duration("clear_after", out.clear_after, Milliseconds(0), day);
    map.read_duration("interval", out.interval, Seconds(1), day);
}

void read_log(const MapReader& map, LogConfig& out) {
    const std::vector<std::string_view> formats{"text", "json", "journal"};
    out.format = static_cast<LogFormat>(
        map.read_word("format", formats, static_cast<std::size_t>(out.format)));
    std::vector<std::string_view> levels;
    for (int level = 0; level <= static_cast<int>(Severity::critical); ++level) {
        levels.push_back(to_string(static_cast<Severity>(level)));
    }
    out.level =
        static_cast<Severity>(map.read_word("level", levels, static_cast<std::size_t>(out.level)));
    map.read_duration("stats_interval", out.stats_interval, Milliseconds(0), day);
    if (out.stats_interval > Milliseconds(0) && out.stats_interval < Seconds(1)) {
        map.complain("stats_interval", "must be 0 (no such lines) or at least 1s");
    }
}

void read_metrics(const MapReader& map, MetricsConfig& out) {
    map.read("allow_remote", out.allow_remote);
    map.read("listen", out.listen);
    if (out.listen.empty()) return;
    if (const auto address = parse_listen_address(out.listen, true); !address) {
        map.complain("listen", address.error().message);
    } else if (!out.allow_remote && !is_loopback(address->host)) {
        map.complain("listen",
                     "is not a loopback address; the metrics have no passwords, so that everybody "
                     "who can reach it could read them: set `metrics.allow_remote: true` if you "
                     "are sure");
    }
}

/// Returns whether two listen addresses conflict.
bool listen_on_one_port(const std::string& one, const std::string& other) {
    if (one.empty() || other.empty()) return false;
    const auto a = parse_listen_address(one, true);
    const auto b = parse_listen_address(other, true);
    if (!a || !b || a->port != b->port || a->port == 0) return false;
    const auto is_any = [](std::string_view host) { return host == "0.0.0.0" || host == "::"; };
    return a->host == b->host || is_any(a->host) || is_any(b->host);
}

/// Checks values that conflict only across sections.
void check_together(const MapReader& ingest, const MapReader& control, const MapReader& metrics,
                    const Config& config) {
    if (config.control.socket == config.ingest.socket) {
        control.complain("socket", "is the same as ingest.socket");
    }
    if (listen_on_one_port(config.ingest.listen, config.metrics.listen)) {
        metrics.complain("listen", "is the port of ingest.listen: each needs its own");
    }
    if (config.ingest.max_event_size > config.spool.segment_size / 2) {
        ingest.complain("max_event_size",
                        fmt::format("{} is more than half of spool.segment_size, {}",
                                    format_size(config.ingest.max_event_size),
                                    format_size(config.spool.segment_size)));
    }
}

Config read_config(const YamlNode& root, ProblemList& problems) {
    Config config;
    const MapReader top(root, "", problems);
    const YamlNode empty;
    const auto section = [&](std::string_view name) {
        const YamlNode* node = top.find(name);
        return MapReader(node != nullptr ? *node : empty, std::string(name), problems);
    };
    read_destination(section("destination"), config.destination);
    const MapReader ingest = section("ingest");
    const MapReader control = section("control");
    read_ingest(ingest, config.ingest);
    read_control(control, config.control);
    read_spool(section("spool"), config.spool);
    read_retry(section("retry"), config.retry);
    section("gone").read_duration("grace", config.gone.grace, Milliseconds(0), 30 * day);
    read_dead_letters(section("dead_letters"), config.dead_letters);
    read_problem_reports(section("problem_reports"), config.problem_reports);
    read_connect(section("connect"), config.destination, config.connect);
    read_pages(section("pages"), config.pages);
    read_log(section("log"), config.log);
    const MapReader metrics = section("metrics");
    read_metrics(metrics, config.metrics);
    if (const YamlNode* sources = top.find("sources")) {
        config.sources = read_sources(*sources, problems);
    }
    check_together(ingest, control, metrics, config);
    ingest.note_place("socket_group", config);
    control.note_place("socket_group", config);
    control.note_place("admin_group", config);
    return config;
}

ConfigError file_error(const std::string& path, std::string_view message) {
    return ConfigError({{path, 0, 0, std::string(message)}});
}

}  // namespace

std::span<const std::string_view> config_keys() noexcept {
    static constexpr auto keys = std::to_array<std::string_view>({
        "destination.base_url",
        "destination.path",
        "destination.ca_file",
        "destination.client_certificate",
        "destination.client_certificate_credential",
        "destination.client_key",
        "destination.client_key_credential",
        "destination.proxy",
        "destination.proxy_credentials_file",
        "destination.proxy_credential",
        "destination.connect_timeout",
        "destination.request_timeout",
        "destination.max_connections",
        "destination.rate_limit",
        "destination.rate_burst",
        "destination.check_idle_sources",
        "destination.expect",
        "destination.allow_plaintext",
        "ingest.socket",
        "ingest.socket_mode",
        "ingest.socket_group",
        "ingest.listen",
        "ingest.max_event_size",
        "ingest.max_connections",
        "ingest.max_connections_per_uid",
        "ingest.unknown_tokens",
        "ingest.max_unknown_tokens",
        "control.socket",
        "control.socket_mode",
        "control.socket_group",
        "control.admin_group",
        "spool.directory",
        "spool.max_size",
        "spool.max_events",
        "spool.max_events_per_token",
        "spool.segment_size",
        "spool.dedup_window",
        "retry.initial",
        "retry.max",
        "retry.max_age",
        "gone.grace",
        "dead_letters.max_events",
        "dead_letters.max_bytes",
        "dead_letters.max_age",
        "problem_reports.after",
        "problem_reports.clear_after",
        "problem_reports.interval",
        "connect.client_id",
        "connect.client_secret_file",
        "connect.client_secret_credential",
        "connect.redirect_uri",
        "connect.authorize_url",
        "connect.token_url",
        "connect.revoke_url",
        "connect.scopes",
        "pages.public_url",
        "pages.listen",
        "pages.invite_socket",
        "pages.state_directory",
        "pages.client_id",
        "pages.client_secret_file",
        "pages.client_secret_credential",
        "pages.organizations",
        "pages.users",
        "log.format",
        "log.level",
        "log.stats_interval",
        "metrics.listen",
        "metrics.allow_remote",
        "sources.name",
        "sources.flow_token_file",
        "sources.flow_token_credential",
        "sources.flow_token_env",
        "sources.rate_limit",
        "sources.on_reject",
        "sources.report_problems",
        "sources.allow",
        "sources.filter",
        "sources.defaults",
    });
    return keys;
}

ConfigProblem problem_with(const Config& config, std::string_view key, std::string_view message) {
    std::string text = fmt::format("key `{}`: {}", key, message);
    const auto place = config.places.find(key);
    if (place == config.places.end()) return {"configuration", 0, 0, std::move(text)};
    return {place->second.file, place->second.line, place->second.column, std::move(text)};
}

std::string to_string(const ConfigProblem& problem) {
    if (problem.line == 0) return fmt::format("{}: {}", problem.file, problem.message);
    return fmt::format("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.message);
}

ConfigError::ConfigError(std::vector<ConfigProblem> problems)
    : std::runtime_error([&] {
          std::string lines;
          for (const ConfigProblem& problem : problems) {
              if (!lines.empty()) lines += '\n';
              lines += to_string(problem);
          }
          return lines;
      }()),
      problems_(std::move(problems)) {}

Config parse_config(std::string_view text, const std::string& name) {
    ProblemList problems(name);
    const YamlNode root = parse_yaml(text, name, problems.all());
    // A partial tree would lack keys that are in the file.
    if (!problems.all().empty()) throw ConfigError(std::move(problems.all()));
    Config config = read_config(root, problems);
    if (!problems.all().empty()) {
        std::ranges::sort(problems.all(), [](const ConfigProblem& a, const ConfigProblem& b) {
            return std::tie(a.line, a.column, a.message) < std::tie(b.line, b.column, b.message);
        });
        throw ConfigError(std::move(problems.all()));
    }
    return config;
}

Config load_config(const std::string& path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text(largest_file + 1, '\0');
    const ssize_t size = file.get() < 0 ? -1 : read_all(file.get(), text);
    if (size < 0) throw file_error(path, system_error(errno, "read", "the file").message);
    text.resize(static_cast<std::size_t>(size));
    if (text.size() > largest_file) throw file_error(path, "is larger than 1 MiB");
    return parse_config(text, path);
}

}  // namespace flowrelay::app
