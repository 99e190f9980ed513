// The configuration file: one YAML document. Every key except destination.base_url is optional; the
// defaults are the values below. docs/configuration.md describes each key for operators.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/base/error.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/secret.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/core/problem_reports.hpp"
#include "flowrelay/core/source_rules.hpp"
#include "flowrelay/core/stored_event.hpp"

namespace flowrelay::app {

using Minutes = std::chrono::minutes;
using Hours = std::chrono::hours;

struct DestinationConfig {
    std::string base_url;  ///< http or https, no query, no user info
    std::string path = "/messages";
    std::string ca_file;                        ///< empty: the CAs of the system
    std::string client_certificate;             ///< PEM, with its chain; https only
    std::string client_certificate_credential;  ///< the same, in $CREDENTIALS_DIRECTORY
    std::string client_key;                     ///< PEM; empty: in the file of the certificate
    std::string client_key_credential;
    std::string proxy;  ///< empty: HTTP(S)_PROXY and NO_PROXY decide; "none": no proxy
    std::string proxy_credentials_file;  ///< holds "user:password"
    std::string proxy_credential;        ///< the same, in $CREDENTIALS_DIRECTORY
    Milliseconds connect_timeout = Seconds(10);
    Milliseconds request_timeout = Seconds(30);
    std::uint32_t max_connections = 32;  ///< 1 to 1024
    double rate_limit = 0;               ///< events per second; 0: none
    /// Events at once; 0: as many as rate_limit allows in a second.
    std::uint32_t rate_burst = 0;
    Milliseconds check_idle_sources = Hours(24);  ///< 0 (`off`): no checks
    /// Key expect: a 2xx must have a JSON body or none.
    bool expects_json = false;
    bool allow_plaintext = false;  ///< allow http to other hosts than this one
};

struct IngestConfig {
    std::string socket = "/run/flowrelay/ingest.sock";  ///< absolute, at most 107 bytes
    std::uint32_t socket_mode = 0660;
    std::string socket_group;
    std::string listen;  ///< "127.0.0.1:8025", "[::1]:8025"; loopback only; empty: off
    std::uint64_t max_event_size = 1000ULL << 10;
    std::uint32_t max_connections = 1024;
    std::uint32_t max_connections_per_uid = 0;  ///< 0: no limit
    bool accept_unknown_tokens = true;          ///< key unknown_tokens: accept or reject
    std::uint32_t max_unknown_tokens = 100'000;
};

/// Group for operators, created by sysusers.d.
inline constexpr std::string_view default_admin_group = "flowrelay-admin";

struct ControlConfig {
    std::string socket = "/run/flowrelay/control.sock";
    std::uint32_t socket_mode = 0660;
    std::string socket_group;
    /// Group whose members can make changes, besides root and the daemon's user; empty: nobody
    /// else. A group with the default name need not exist.
    std::string admin_group{default_admin_group};
};

struct SpoolConfig {
    std::string directory = "/var/lib/flowrelay";
    std::uint64_t max_size = 4ULL << 30;
    std::uint64_t max_events = 0;
    std::uint64_t max_events_per_token = 0;
    std::uint64_t segment_size = 64ULL << 20;
    Milliseconds dedup_window = Minutes(10);
};

struct RetryConfig {
    Milliseconds initial = Seconds(1);
    Milliseconds max = Minutes(5);
    Milliseconds max_age = Hours(5 * 24);
};

struct GoneConfig {
    Milliseconds grace = Hours(1);
};

enum class LogFormat { text, json, journal };

struct LogConfig {
    LogFormat format = LogFormat::text;
    Severity level = Severity::info;
    Milliseconds stats_interval = Seconds(60);  ///< 0: no relay.stats lines
};

/// Redirect URI with which the server shows the code on a page for the user to copy.
inline constexpr std::string_view out_of_band_uri = "urn:ietf:wg:oauth:2.0:oob";

/// The application for which `flowrelay source connect` creates sources. Only the command uses it;
/// the daemon does not.
struct ConnectConfig {
    std::string client_id;           ///< empty: no application is configured
    std::string client_secret_file;  ///< empty: the application has no secret (a public client)
    std::string client_secret_credential;  ///< the same, in $CREDENTIALS_DIRECTORY
    std::string redirect_uri{out_of_band_uri};
    std::string authorize_url;  ///< empty: destination.base_url + "/oauth/authorize"
    std::string token_url;      ///< empty: destination.base_url + "/oauth/token"
    std::string revoke_url;     ///< empty: destination.base_url + "/oauth/revoke"
    std::string scopes = "flow integration profile";  ///< separated by spaces
};

/// The pages with which people set a source up in a browser (flowrelay-connect). The daemon itself
/// uses none of it.
struct PagesConfig {
    std::string public_url;  ///< where browsers find them, no slash at the end; empty: no pages
    std::string listen = "127.0.0.1:8026";  ///< or the path of a Unix socket
    std::string invite_socket = "/run/flowrelay-connect/invite.sock";
    std::string state_directory = "/var/lib/flowrelay-connect";
    std::string client_id;  ///< empty: the application is that of `connect`
    std::string client_secret_file;
    std::string client_secret_credential;
    std::string organizations;  ///< who needs no invitation, as in URLs; separated by spaces
    std::string users;          ///< the same by email address or id
};

struct MetricsConfig {
    std::string listen;         ///< "127.0.0.1:9925"; empty: off
    bool allow_remote = false;  ///< allow other addresses than loopback
};

/// A source and where its token comes from: exactly one of the flow_token_* members is set.
/// load_token() reads the token itself.
struct SourceConfig {
    std::string name;  ///< 1 to 64 of [A-Za-z0-9._-]
    std::string flow_token_file;
    std::string flow_token_credential;  ///< a file in $CREDENTIALS_DIRECTORY
    std::string flow_token_env;
    core::SourceRules rules;  ///< in its defaults, `event` is "activity" unless set

    friend bool operator==(const SourceConfig&, const SourceConfig&) = default;
};

/// Position of a key's value in the file. Lines and columns start at 1.
struct ConfigPlace {
    std::string file;
    int line = 0;
    int column = 0;
};

struct Config {
    DestinationConfig destination;
    IngestConfig ingest;
    ControlConfig control;
    SpoolConfig spool;
    RetryConfig retry;
    GoneConfig gone;
    core::DeadLetterLimits dead_letters;
    core::ProblemReportTimes problem_reports;
    ConnectConfig connect;
    PagesConfig pages;
    LogConfig log;
    MetricsConfig metrics;
    std::vector<SourceConfig> sources;
    /// Positions by full key name ("ingest.socket_group"), for errors found only when the daemon
    /// starts or reloads. Excludes keys that are not in the file, and keys of sources.
    std::map<std::string, ConfigPlace, std::less<>> places;
};

/// A parsed base URL.
struct BaseUrl {
    bool tls = true;
    std::string host;         ///< lower case; an IPv6 address without its brackets
    std::uint16_t port = 0;   ///< the scheme's default port unless the URL has one
    std::string authority;    ///< value of the Host field: "api.flowdock.com", "[::1]:8080"
    std::string path_prefix;  ///< "" or "/gateway": no slash at the end
};

/// Parses "https://host[:port][/prefix]". The error message does not repeat the URL, which may
/// contain a password.
Result<BaseUrl> parse_base_url(std::string_view url);

/// Returns whether the host of a URL is this machine: localhost, 127.0.0.0/8 or ::1.
bool is_loopback(std::string_view host);

struct ListenAddress {
    std::string host;  ///< address; IPv6 without brackets
    std::uint16_t port = 0;
};

/// Parses "127.0.0.1:8025" or "[::1]:8025". Port 0 lets the kernel choose. Accepts only loopback
/// addresses unless `any_address` is set.
Result<ListenAddress> parse_listen_address(std::string_view text, bool any_address = false);

/// Parses a size in bytes: "512B", "1KiB", "64MiB", "4GiB", "1TiB"; "0" needs no unit. Returns
/// nothing if the text is invalid or the size does not fit.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// One problem with a file. Lines and columns start at 1; 0 if it has no position.
struct ConfigProblem {
    std::string file;
    int line = 0;
    int column = 0;
    std::string message;  ///< names the key, what is wrong and what would be right
};

/// Returns "key `KEY`: MESSAGE", at the position of the key if it is in the file.
ConfigProblem problem_with(const Config& config, std::string_view key, std::string_view message);

/// Returns "FILE:LINE:COLUMN: MESSAGE", the format of compilers and editors.
std::string to_string(const ConfigProblem& problem);

/// Contains all problems that were found, not only the first. what() has one problem per line.
class ConfigError : public std::runtime_error {
public:
    explicit ConfigError(std::vector<ConfigProblem> problems);
    const std::vector<ConfigProblem>& problems() const noexcept { return problems_; }

private:
    std::vector<ConfigProblem> problems_;
};

/// Returns the full name of every key ("ingest.max_event_size", "sources.name"), in the order of
/// the documents.
std::span<const std::string_view> config_keys() noexcept;

/// Reads and checks a configuration file. Throws ConfigError.
Config load_config(const std::string& path);

/// Reads and checks a configuration in memory; messages use `name` as the file name. Throws
/// ConfigError.
Config parse_config(std::string_view text, const std::string& name);

/// Returns the effective configuration, including all defaults, as the text of an equivalent file.
/// It contains no tokens or passwords: a configuration only says where they are.
std::string show_config(const Config& config);

/// Reads the token of a source, without trailing line breaks. Throws ConfigError if the file does
/// not exist, is readable by others (mode beyond 0640), is empty, or contains bytes that can't be
/// in a token. The message never repeats the contents.
Secret load_token(const SourceConfig& source);

}  // namespace flowrelay::app
