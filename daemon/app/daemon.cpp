#include "flowrelay/app/daemon.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <optional>
#include <utility>

#include "descriptors.hpp"
#include "destination_files.hpp"
#include "flowrelay/app/machine.hpp"
#include "flowrelay/base/version.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/core/summing_log.hpp"
#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/delivery.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "flowrelay/runtime/ingest_session.hpp"
#include "flowrelay/runtime/listening_socket.hpp"
#include "flowrelay/runtime/metrics.hpp"
#include "flowrelay/runtime/metrics_session.hpp"
#include "flowrelay/runtime/peer.hpp"
#include "flowrelay/runtime/server.hpp"
#include "flowrelay/runtime/spawn.hpp"
#include "flowrelay/runtime/start_up.hpp"
#include "flowrelay/runtime/storage_thread.hpp"
#include "flowrelay/runtime/tls.hpp"
#include "letter_age.hpp"
#include "passed_sockets.hpp"
#include "reloader.hpp"
#include "setup.hpp"
#include "stats_reporter.hpp"
#include "timeline_clock.hpp"
#include "watchdog.hpp"

namespace flowrelay::app {
namespace asio = boost::asio;
namespace ev = core::log_events;
using runtime::spawn;

namespace {

constexpr auto token_file_interval = Seconds(5);
// Time for requests in flight, then for producers that wait for answers, when the daemon stops. By
// default a container is killed ten seconds after SIGTERM.
constexpr auto delivery_grace = Seconds(6);
constexpr auto session_grace = Seconds(3);

constexpr auto clock_look_interval = Seconds(5);

runtime::IngestLimits ingest_limits(const IngestConfig& config) {
    runtime::IngestLimits limits;
    limits.max_event_size = config.max_event_size;
    limits.max_batch_size = 8 * config.max_event_size;
    return limits;
}

runtime::DeliveryOptions delivery_options(const DestinationConfig& config) {
    runtime::DeliveryOptions options;
    options.max_connections = config.max_connections;
    options.user_agent = fmt::format("flowrelay/{}", version());
    return options;
}

/// Returns the names of sources whose tokens differ from those in the registry.
std::vector<std::string> replaced_tokens(const storage::Spool& spool,
                                         const std::vector<core::ConfiguredSource>& sources) {
    std::vector<std::string> names;
    for (const auto& source : sources) {
        const Fingerprint print = fingerprint(source.secret.reveal(), spool.salt());
        for (const core::TokenEntry& entry : spool.entries()) {
            const bool usable = entry.state == core::TokenEntry::State::active ||
                                entry.state == core::TokenEntry::State::paused;
            if (usable && entry.source == source.name && entry.fingerprint != print) {
                names.push_back(source.name);
                break;
            }
        }
    }
    return names;
}

}  // namespace

class Daemon::Impl {
public:
    Impl(Config config, std::string config_file, const std::vector<PassedSocket>& passed_sockets,
         ServiceNotifier notifier, LeveledLog& log, const Clock& clock);
    ~Impl() {
        std::signal(SIGPIPE, SIG_DFL);
        std::signal(SIGXFSZ, SIG_DFL);
    }

    bool is_looking_up() const { return delivery_->resolving(); }

    void run();

private:
    void find_descriptors();
    Ownership find_owner_or_throw(const std::string& machine);
    void keep_letters(storage::Spool& spool, Now now);
    void pause_replaced(storage::Spool& spool, const std::vector<std::string>& names, Now now);
    void note_owner();
    Result<void> adopt();
    std::unique_ptr<storage::Spool> recover_spool(std::vector<core::ConfiguredSource> sources);
    void open_sockets(const PassedSockets& passed);
    void listen_ingest(const std::vector<int>& passed);
    void listen_control(const std::vector<int>& passed);
    void name_overruled(std::string_view section, const std::string& path, int fd);
    asio::awaitable<void> wait_for_signal();
    asio::awaitable<void> watch_clock();
    asio::awaitable<void> watch_token_files();
    asio::awaitable<void> stop(std::string reason);

    Config config_;
    core::SummingLog log_;
    TimelineClock clock_{log_};
    ServiceNotifier notifier_;
    asio::io_context io_{1};
    asio::any_io_executor executor_ = io_.get_executor();
    std::unique_ptr<storage::FileSystem> file_system_;
    std::shared_ptr<runtime::Metrics> metrics_ = std::make_shared<runtime::Metrics>();
    std::optional<core::Relay> relay_;
    std::optional<runtime::StorageThread> storage_;
    std::optional<runtime::Engine> engine_;
    std::optional<runtime::Delivery> delivery_;
    runtime::ControlContext control_context_;
    std::optional<runtime::Server> ingest_;
    std::optional<runtime::Server> control_;
    std::optional<runtime::Server> metrics_server_;
    std::optional<StatsReporter> stats_;
    std::optional<Watchdog> watchdog_;
    std::optional<Reloader> reloader_;
    asio::signal_set signals_;
    std::optional<runtime::SocketFile> ingest_socket_;  ///< to remove at the end
    std::optional<runtime::SocketFile> control_socket_;
    asio::steady_timer token_files_;
    std::string machine_;  ///< the id of this machine
    DescriptorShares descriptors_;
    bool moved_ = false;  ///< the spool belongs to another machine
    bool stopping_ = false;
};

Daemon::Impl::Impl(Config config, std::string config_file,
                   const std::vector<PassedSocket>& passed_sockets, ServiceNotifier notifier,
                   LeveledLog& log, const Clock& clock)
    : config_(std::move(config)),
      log_(log, clock),
      notifier_(std::move(notifier)),
      file_system_(storage::make_posix_file_system()),
      signals_(io_, SIGTERM, SIGINT, SIGHUP),
      token_files_(io_) {
    signals_.add(SIGUSR1);
    signals_.add(SIGUSR2);
    std::signal(SIGPIPE, SIG_IGN);  // writing to a closed connection returns an error instead
    std::signal(SIGXFSZ, SIG_IGN);  // so does exceeding the limit of file sizes
    log_.write(ev::relay_starting,
               {{"version", version()}, {"destination", config_.destination.base_url}});
    const PassedSockets passed = sort_passed_sockets(passed_sockets);
    Surroundings around = read_surroundings(config_);
    tell_route(around.destination, log_);
    find_descriptors();
    const std::string exposed = warn_of_exposed_key(config_.destination);
    if (!exposed.empty()) log_.write(ev::config_key_exposed, {{"reason", exposed}});
    storage_.emplace(recover_spool(std::move(around.sources)), executor_);
    runtime::EngineOptions engine_options;
    engine_options.metrics = metrics_;
    engine_.emplace(executor_, *relay_, *storage_, clock_, std::move(engine_options));
    const auto expiry = around.tls ? around.tls->certificate_expires() : std::nullopt;
    delivery_.emplace(executor_, *engine_, std::move(around.destination), std::move(around.tls),
                      delivery_options(config_.destination));
    control_context_.certificate_expires = expiry;
    control_context_.config_file = config_file;
    note_owner();
    open_sockets(passed);
    stats_.emplace(executor_, *engine_, notifier_, log_, config_.log.stats_interval);
    watchdog_.emplace(executor_, *storage_, notifier_);
    const Reloader::Parts parts{config_,          *engine_, *delivery_,    *ingest_, *stats_,
                                control_context_, log,      *file_system_, notifier_};
    reloader_.emplace(std::move(config_file), parts, log_, clock_);
}

/// Gets as many descriptors as the configuration can need; logs if there are fewer.
void Daemon::Impl::find_descriptors() {
    const std::uint64_t needed = descriptors_needed(config_).total();
    const std::uint64_t limit = raise_descriptor_limit(needed);
    descriptors_ = share_descriptors(config_, limit);
    if (limit >= needed) return;
    log_.write(ev::few_descriptors, {{"limit", limit},
                                     {"needed", needed},
                                     {"spool_files", descriptors_.files},
                                     {"connections", descriptors_.producers}});
}

// Recovers the spool and restores the relay's state, before the storage thread starts.
std::unique_ptr<storage::Spool> Daemon::Impl::recover_spool(
    std::vector<core::ConfiguredSource> sources) {
    auto spool = open_spool(config_.spool, descriptors_.files, *file_system_, log_);
    warn_of_small_disk(config_.spool, *spool, *file_system_, log_);
    clock_.begin(*file_system_, config_.spool.directory);
    const Now now = clock_.now();
    keep_letters(*spool, now);
    relay_.emplace(relay_options(config_), spool->salt(), spool->entries(), Random::from_system(),
                   log_);
    spool->observe_commits(runtime::observe_commits(metrics_));
    const std::string machine = machine_id(spool->salt());
    const Ownership owner = find_owner_or_throw(machine);
    const auto replaced = owner == Ownership::restored ? replaced_tokens(*spool, sources)
                                                       : std::vector<std::string>();
    runtime::restore(*relay_, *spool, std::move(sources), config_.spool.dedup_window, now);
    machine_ = machine;
    moved_ = owner == Ownership::moved;
    pause_replaced(*spool, replaced, now);
    if (moved_) return spool;
    // If the disk is full, a later start writes it; until then the directory keeps its current
    // owner.
    static_cast<void>(claim(*file_system_, config_.spool.directory, machine_));
    return spool;
}

/// Keeps letters that a shortened dead_letters.max_age would drop, until an operator confirms it.
void Daemon::Impl::keep_letters(storage::Spool& spool, Now now) {
    const std::string& directory = config_.spool.directory;
    spool.keep_letter_age(letter_age_keeper(*file_system_, directory));
    const auto before = read_letter_age(*file_system_, directory);
    if (before.has_error()) throw std::runtime_error(before.error().message);
    std::optional<Milliseconds> oldest;
    if (const auto died = spool.oldest_death()) oldest = now.wall - *died;
    const Milliseconds configured = config_.dead_letters.max_age;
    config_.dead_letters.max_age = letter_age_at_start(configured, *before, oldest);
    if (config_.dead_letters.max_age == configured) return;
    log_.write(ev::letters_age_kept, {{"configured", format_duration(configured)},
                                      {"in_force", format_duration(config_.dead_letters.max_age)},
                                      {"oldest", format_duration(*oldest)}});
}

Ownership Daemon::Impl::find_owner_or_throw(const std::string& machine) {
    const auto owner = find_owner(*file_system_, config_.spool.directory, machine);
    if (owner.has_error()) throw std::runtime_error(owner.error().message);
    return *owner;
}

/// Pauses sources whose token was replaced: events accepted for the other token wait for an
/// operator's decision.
void Daemon::Impl::pause_replaced(storage::Spool& spool, const std::vector<std::string>& names,
                                  Now now) {
    for (const std::string& name : names) {
        const auto token = relay_->tokens().find(name);
        if (!token || relay_->lifecycle().queued(*token) == 0) continue;
        const auto entry =
            relay_->lifecycle().pause_source(*token, now, core::TokenEntry::Pause::other_token);
        if (entry.has_error()) continue;
        runtime::put_at_start(*relay_, spool, *entry, now);
        log_.write(ev::token_replaced,
                   {{"source", name}, {"queued", relay_->lifecycle().queued(*token)}});
    }
}

void Daemon::Impl::note_owner() {
    if (!moved_) return;
    relay_->destination().hold_deliveries(true);
    log_.write(ev::spool_moved, {{"directory", config_.spool.directory},
                                 {"queued", relay_->destination().queued()}});
}

Result<void> Daemon::Impl::adopt() {
    auto claimed = claim(*file_system_, config_.spool.directory, machine_);
    if (claimed.has_error()) return claimed;
    moved_ = false;
    log_.write(ev::spool_adopted);
    return {};
}

void Daemon::Impl::open_sockets(const PassedSockets& passed) {
    const auto& ingest = config_.ingest;
    ingest_.emplace(
        executor_, "ingest", descriptors_.producers,
        [this](runtime::StreamSocket socket) {
            return runtime::make_ingest_session(std::move(socket), *engine_,
                                                ingest_limits(config_.ingest));
        },
        log_);
    ingest_->set_max_per_uid(ingest.max_connections_per_uid);
    listen_ingest(passed.ingest);

    control_context_.version = version();
    control_context_.base_url = config_.destination.base_url;
    control_context_.spool_max_bytes = config_.spool.max_size;
    control_context_.available_bytes = [this] {
        const auto free = file_system_->free_space(config_.spool.directory);
        return free.has_value() ? *free : std::uint64_t{0};
    };
    control_context_.state_directory = config_.spool.directory;
    control_context_.adopt = [this] { return adopt(); };
    control_context_.started = clock_.now().mono;
    control_context_.connections = [this] { return delivery_->connections(); };
    control_context_.ingest_connections = [this] { return ingest_->connections(); };
    control_context_.stopping = [this] { return stopping_; };
    control_context_.reload = [this](const runtime::ReloadRequest& request,
                                     runtime::ReloadDone done) {
        reloader_->reload(request, std::move(done));
    };
    control_context_.log = &log_;
    const auto& control = config_.control;
    if (!control.admin_group.empty()) {
        // The configuration check has made sure that the group exists, unless it is the default.
        control_context_.admin_group = runtime::find_group(control.admin_group);
    }
    control_.emplace(
        executor_, "control", max_control_connections,
        [this](runtime::StreamSocket socket) {
            return runtime::make_control_session(std::move(socket), *engine_, control_context_);
        },
        log_);
    control_->set_busy_answer(runtime::busy_control_answer());
    control_->each_second([this] { engine_->note_throughput(); });
    listen_control(passed.control);

    metrics_server_.emplace(
        executor_, "metrics", max_control_connections,
        [this](runtime::StreamSocket socket) {
            return runtime::make_metrics_session(std::move(socket), *engine_, control_context_);
        },
        log_);
    if (config_.metrics.listen.empty()) return;
    const auto address = parse_listen_address(config_.metrics.listen, true);
    metrics_server_->add_listener(runtime::listen_tcp(address->host, address->port));
}

void Daemon::Impl::listen_ingest(const std::vector<int>& passed) {
    const auto& ingest = config_.ingest;
    for (const int fd : passed) {
        ingest_->add_listener(fd);
        name_overruled("ingest", ingest.socket, fd);
    }
    if (passed.empty()) {
        ingest_->add_listener(
            runtime::listen_unix(ingest.socket, ingest.socket_mode, ingest.socket_group));
        ingest_socket_ = runtime::socket_file(ingest.socket);
    }
    if (ingest.listen.empty()) return;
    const auto address = parse_listen_address(ingest.listen);
    ingest_->add_listener(runtime::listen_tcp(address->host, address->port));
}

void Daemon::Impl::listen_control(const std::vector<int>& passed) {
    const auto& control = config_.control;
    for (const int fd : passed) {
        control_->add_listener(fd);
        name_overruled("control", control.socket, fd);
    }
    control_->evict_idle(true);
    control_->set_max_per_uid(max_control_connections / 2);
    // Users with read-only access must not use up the connections of users who can make changes.
    control_->reserve(reserved_control_connections,
                      [this](int fd) { return runtime::may_change_over(fd, control_context_); });
    if (!passed.empty()) return;
    control_->add_listener(
        runtime::listen_unix(control.socket, control.socket_mode, control.socket_group));
    control_socket_ = runtime::socket_file(control.socket);
}

/// Logs that a socket opened by systemd replaces the configured one.
void Daemon::Impl::name_overruled(std::string_view section, const std::string& path, int fd) {
    const std::string address = runtime::describe_listener(fd);
    const auto& line = address == "unix:" + path ? ev::socket_passed : ev::socket_overruled;
    log_.write(line, {{"server", section},
                      {"address", address},
                      {"reason", fmt::format("{0}.socket, {0}.socket_mode and {0}.socket_group are "
                                             "not used: a socket unit says what they say",
                                             section)}});
}

void Daemon::Impl::run() {
    delivery_->start();
    ingest_->start();
    control_->start();
    metrics_server_->start();
    stats_->start();
    watchdog_->start();
    spawn(executor_, wait_for_signal());
    spawn(executor_, watch_clock());
    spawn(executor_, watch_token_files());
    log_.write(ev::relay_ready, {{"queued", relay_->destination().queued()}});
    notifier_.ready();
    io_.run();
}

// A refused token is probed every five minutes; its file may have been renewed in between.
asio::awaitable<void> Daemon::Impl::watch_token_files() {
    while (!stopping_) {
        token_files_.expires_after(token_file_interval);
        co_await token_files_.async_wait(asio::as_tuple(asio::deferred));
        if (!stopping_) reloader_->renew_parked_tokens();
    }
}

asio::awaitable<void> Daemon::Impl::wait_for_signal() {
    while (!stopping_) {
        const auto [error, signal] = co_await signals_.async_wait(asio::as_tuple(asio::deferred));
        if (error) co_return;
        if (signal == SIGHUP) {
            const auto oldest_death = co_await runtime::operations::oldest_death(*engine_);
            runtime::ReloadRequest request;
            request.oldest_death = oldest_death;
            reloader_->reload(request, [](const runtime::ReloadResult&) {});
            continue;
        }
        if (signal == SIGUSR1 || signal == SIGUSR2) {
            const char* const name = signal == SIGUSR1 ? "SIGUSR1" : "SIGUSR2";
            log_.write(ev::relay_signal_ignored, {{"signal", name}});
            continue;
        }
        std::string reason = signal == SIGTERM ? "SIGTERM" : "SIGINT";
        co_await stop(std::move(reason));
    }
}

// Detecting a clock step is not urgent: only the log and the next start need it.
asio::awaitable<void> Daemon::Impl::watch_clock() {
    asio::steady_timer timer(executor_);
    while (!stopping_) {
        timer.expires_after(clock_look_interval);
        const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::deferred));
        if (error || stopping_) co_return;
        const auto anchor = clock_.look();
        if (!anchor) continue;
        storage_->ask([this, anchor = *anchor](storage::Spool& spool) {
            clock_.save(*file_system_, anchor);
            spool.note_progress();
            return std::function<void()>([] {});
        });
    }
}

// Finishes requests in flight first, then the sessions, then the disk. Producers are served until
// the end, since their events are on disk when they are answered.
asio::awaitable<void> Daemon::Impl::stop(std::string reason) {
    stopping_ = true;
    notifier_.stopping();
    log_.write(
        ev::relay_stopping,
        {{"reason", reason}, {"in_flight", relay_->destination().scheduler().status().in_flight}});
    co_await delivery_->stop(delivery_grace);
    // Remove it while still listening: afterwards a successor may create its own socket there.
    if (ingest_socket_) runtime::remove_socket(*ingest_socket_);
    co_await ingest_->stop(session_grace);
    relay_->admission().stop_accepting();
    if (control_socket_) runtime::remove_socket(*control_socket_);
    co_await control_->stop(session_grace);
    co_await metrics_server_->stop(session_grace);
    token_files_.cancel();
    stats_->stop();
    watchdog_->stop();
    storage_->stop();
    clock_.save(*file_system_, clock_.anchor());
    log_.finish();
    const auto snapshot = storage_->last_snapshot();
    log_.write(ev::relay_stopped,
               {{"queued", snapshot.usage.events},
                {"delivered", relay_->counters().delivered},
                {"unaccounted", snapshot.ledger.unaccounted(snapshot.usage.events)}});
    // Do not wait for a name look-up, which can't be interrupted. Nothing else is pending.
    io_.stop();
}

void Daemon::run() {
    impl_->run();
}

bool Daemon::is_looking_up() const {
    return impl_->is_looking_up();
}

Daemon::Daemon(Config config, std::string config_file,
               const std::vector<PassedSocket>& passed_sockets, ServiceNotifier notifier,
               LeveledLog& log, const Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(config_file), passed_sockets,
                                   std::move(notifier), log, clock)) {}

Daemon::~Daemon() = default;

}  // namespace flowrelay::app
