// The configuration file: one YAML document. Every key is optional but destination.base_url; the
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
    std::uint32_t rate_burst = 0;        ///< at once; 0: what rate_limit lets go in a second
    Milliseconds check_idle_sources = Hours(24);  ///< 0 (`off`): none is asked for
    bool expects_json = false;                    ///< of `expect`: a 2xx has to be JSON, or empty
    bool allow_plaintext = false;                 ///< http to other hosts than this one
};

struct IngestConfig {
    std::string socket = "/run/flowrelay/ingest.sock";  ///< absolute, at most 107 bytes
    std::uint32_t socket_mode = 0660;
    std::string socket_group;
    std::string listen;  ///< "127.0.0.1:8025", "[::1]:8025"; loopback only; empty: off
    std::uint64_t max_event_size = 1000ULL << 10;
    std::uint32_t max_connections = 1024;
    std::uint32_t max_connections_per_uid = 0;  ///< of one user; 0: no limit
    bool accept_unknown_tokens = true;          ///< key unknown_tokens: accept or reject
    std::uint32_t max_unknown_tokens = 100'000;
};

/// The group that sysusers.d makes for operators.
inline constexpr std::string_view default_admin_group = "flowrelay-admin";

struct ControlConfig {
    std::string socket = "/run/flowrelay/control.sock";
    std::uint32_t socket_mode = 0660;
    std::string socket_group;
    /// Whose members may change something, besides root and the daemon's user; empty: nobody. A
    /// group of the default's name need not exist.
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

/// The redirect URI with which the server shows the code on a page, for people to copy.
inline constexpr std::string_view out_of_band_uri = "urn:ietf:wg:oauth:2.0:oob";

/// The application in whose name `flowrelay source connect` makes sources. Read by the command; the
/// daemon itself uses none of it.
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
    bool allow_remote = false;  ///< other addresses than loopback ones
};

/// Where a source's token comes from. Exactly one is set; the token itself is read by load_token.
struct SourceConfig {
    std::string name;  ///< 1 to 64 of [A-Za-z0-9._-]
    std::string flow_token_file;
    std::string flow_token_credential;  ///< a file in $CREDENTIALS_DIRECTORY
    std::string flow_token_env;
    core::SourceRules rules;  ///< of the defaults `event` is "activity" unless set

    friend bool operator==(const SourceConfig&, const SourceConfig&) = default;
};

/// Where the file gives the value of a key. Lines and columns start at 1.
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
    /// By the full name of a key ("ingest.socket_group"), for what is only looked at by a start or
    /// a reload. Keys that the file does not give, and those of sources, are not in it.
    std::map<std::string, ConfigPlace, std::less<>> places;
};

/// The parts of a base URL.
struct BaseUrl {
    bool tls = true;
    std::string host;         ///< lower case; an IPv6 address without its brackets
    std::uint16_t port = 0;   ///< the scheme's own unless the URL says another
    std::string authority;    ///< as the Host field wants it: "api.flowdock.com", "[::1]:8080"
    std::string path_prefix;  ///< "" or "/gateway": no slash at the end
};

/// Reads "https://host[:port][/prefix]". The error says what is wrong and does not repeat the URL,
/// which may hold a password.
Result<BaseUrl> parse_base_url(std::string_view url);

/// Whether a host of a URL is this machine: localhost, 127.0.0.0/8 or ::1.
bool is_loopback(std::string_view host);

struct ListenAddress {
    std::string host;  ///< an address, IPv6 without brackets
    std::uint16_t port = 0;
};

/// Reads "127.0.0.1:8025" or "[::1]:8025". Port 0 lets the kernel choose. Other addresses than
/// loopback ones only with `any_address`.
Result<ListenAddress> parse_listen_address(std::string_view text, bool any_address = false);

/// Bytes: "512B", "1KiB", "64MiB", "4GiB", "1TiB"; "0" needs no unit. Nothing when it is not that,
/// or does not fit.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// One thing that is wrong with a file. Lines and columns start at 1; 0 when it is about no line.
struct ConfigProblem {
    std::string file;
    int line = 0;
    int column = 0;
    std::string message;  ///< names the key, what is wrong, what would be right
};

/// "key `KEY`: MESSAGE", at the place of the key if the file gives it.
ConfigProblem problem_with(const Config& config, std::string_view key, std::string_view message);

/// "FILE:LINE:COLUMN: MESSAGE", as compilers and editors know it.
std::string to_string(const ConfigProblem& problem);

/// Thrown with everything that is wrong, not only the first thing. what() has one problem a line.
class ConfigError : public std::runtime_error {
public:
    explicit ConfigError(std::vector<ConfigProblem> problems);
    const std::vector<ConfigProblem>& problems() const noexcept { return problems_; }

private:
    std::vector<ConfigProblem> problems_;
};

/// The full name of every key ("ingest.max_event_size", "sources.name"), in the order in which
/// the documents describe them.
std::span<const std::string_view> config_keys() noexcept;

/// Reads and checks a file. Throws ConfigError.
Config load_config(const std::string& path);

/// The same for a text in memory; `name` stands for the file in messages.
Config parse_config(std::string_view text, const std::string& name);

/// What is in force with a configuration, every default included, as a file that says the same.
/// Tokens and passwords are not in it: a configuration only says where they are.
std::string show_config(const Config& config);

/// Reads the token of a source (trailing line breaks are cut off). Throws ConfigError: no such
/// file, readable by others (mode beyond 0640), empty, or with bytes that can't be a token. Never
/// repeats what it read.
Secret load_token(const SourceConfig& source);

}  // namespace flowrelay::app
