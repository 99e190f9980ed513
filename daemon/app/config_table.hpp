// All configuration keys except those of sources: member of Config, name, and how changes take
// effect.
#pragma once

namespace flowrelay::app::config_table {

inline constexpr bool reload = true;    // takes effect with a reload
inline constexpr bool restart = false;  // takes effect at the next start

// X(member, "name", reload | restart)
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
    X(destination.rate_burst, "destination.rate_burst", reload)                               \
    X(destination.check_idle_sources, "destination.check_idle_sources", reload)               \
    X(destination.expects_json, "destination.expect", reload)                                 \
    X(destination.allow_plaintext, "destination.allow_plaintext", reload)                     \
    X(ingest.socket, "ingest.socket", restart)                                                \
    X(ingest.socket_mode, "ingest.socket_mode", restart)                                      \
    X(ingest.socket_group, "ingest.socket_group", restart)                                    \
    X(ingest.listen, "ingest.listen", restart)                                                \
    X(ingest.max_event_size, "ingest.max_event_size", reload)                                 \
    X(ingest.max_connections, "ingest.max_connections", reload)                               \
    X(ingest.max_connections_per_uid, "ingest.max_connections_per_uid", reload)               \
    X(ingest.accept_unknown_tokens, "ingest.unknown_tokens", reload)                          \
    X(ingest.max_unknown_tokens, "ingest.max_unknown_tokens", reload)                         \
    X(control.socket, "control.socket", restart)                                              \
    X(control.socket_mode, "control.socket_mode", restart)                                    \
    X(control.socket_group, "control.socket_group", restart)                                  \
    X(control.admin_group, "control.admin_group", restart)                                    \
    X(spool.directory, "spool.directory", restart)                                            \
    X(spool.max_size, "spool.max_size", reload)                                               \
    X(spool.max_events, "spool.max_events", reload)                                           \
    X(spool.max_events_per_token, "spool.max_events_per_token", reload)                       \
    X(spool.segment_size, "spool.segment_size", restart)                                      \
    X(spool.dedup_window, "spool.dedup_window", reload)                                       \
    X(retry.initial, "retry.initial", reload)                                                 \
    X(retry.max, "retry.max", reload)                                                         \
    X(retry.max_age, "retry.max_age", reload)                                                 \
    X(gone.grace, "gone.grace", reload)                                                       \
    X(dead_letters.max_events, "dead_letters.max_events", reload)                             \
    X(dead_letters.max_bytes, "dead_letters.max_bytes", reload)                               \
    X(dead_letters.max_age, "dead_letters.max_age", reload)                                   \
    X(problem_reports.after, "problem_reports.after", reload)                                 \
    X(problem_reports.clear_after, "problem_reports.clear_after", reload)                     \
    X(problem_reports.interval, "problem_reports.interval", reload)                           \
    X(connect.client_id, "connect.client_id", reload)                                         \
    X(connect.client_secret_file, "connect.client_secret_file", reload)                       \
    X(connect.client_secret_credential, "connect.client_secret_credential", reload)           \
    X(connect.redirect_uri, "connect.redirect_uri", reload)                                   \
    X(connect.authorize_url, "connect.authorize_url", reload)                                 \
    X(connect.token_url, "connect.token_url", reload)                                         \
    X(connect.revoke_url, "connect.revoke_url", reload)                                       \
    X(connect.scopes, "connect.scopes", reload)                                               \
    X(pages.public_url, "pages.public_url", reload)                                           \
    X(pages.listen, "pages.listen", reload)                                                   \
    X(pages.invite_socket, "pages.invite_socket", reload)                                     \
    X(pages.state_directory, "pages.state_directory", reload)                                 \
    X(pages.client_id, "pages.client_id", reload)                                             \
    X(pages.client_secret_file, "pages.client_secret_file", reload)                           \
    X(pages.client_secret_credential, "pages.client_secret_credential", reload)               \
    X(pages.organizations, "pages.organizations", reload)                                     \
    X(pages.users, "pages.users", reload)                                                     \
    X(log.format, "log.format", restart)                                                      \
    X(log.level, "log.level", reload)                                                         \
    X(log.stats_interval, "log.stats_interval", reload)                                       \
    X(metrics.listen, "metrics.listen", restart)                                              \
    X(metrics.allow_remote, "metrics.allow_remote", restart)

}  // namespace flowrelay::app::config_table
