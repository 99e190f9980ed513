// flowrelay-connect: the pages on which users connect sources and change their settings.
#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/core_dumps.hpp"
#include "flowrelay/app/logging.hpp"
#include "flowrelay/app/systemd.hpp"
#include "flowrelay/base/version.hpp"
#include "flowrelay/core/log_events.hpp"
#include "pages/invite_service.hpp"
#include "pages/ledger_file.hpp"
#include "pages/listeners.hpp"
#include "pages/server.hpp"
#include "pages/site.hpp"

namespace {

using namespace flowrelay;

// From sysexits.h. They are part of the interface (flowrelay-connect(8)).
constexpr int exit_usage = 64;
constexpr int exit_failed = 70;
constexpr int exit_config = 78;

constexpr const char* program_name = "flowrelay-connect";

constexpr std::size_t max_browsers = 64;
constexpr std::size_t max_operators = 8;

/// Returns a descriptor that becomes readable when a signal asks the process to end. Blocks these
/// signals in all threads.
int stop_descriptor() {
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigaddset(&signals, SIGINT);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    return ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

void serve(const app::Config& config) {
    const SystemClock clock;
    const int stop = stop_descriptor();
    auto notifier = app::ServiceNotifier::from_environment();
    auto passed = app::take_passed_sockets();
    if (passed.has_error()) throw std::runtime_error(passed.error().message);
    const auto log = app::make_log(config.log, clock, program_name);
    pages::LedgerFile ledger(config.pages.state_directory);
    pages::Site site(config, ledger, *log, clock);
    pages::InviteService invitations(config, ledger, *log, clock);
    pages::ListeningSockets sockets(config, *passed);
    std::vector<pages::Listener> listeners;
    for (const int fd : sockets.pages()) {
        listeners.push_back(
            {fd, [&](const auto& reader, int) { return site.answer(reader); }, max_browsers});
    }
    for (const int fd : sockets.invite()) {
        listeners.push_back({fd,
                             [&](const auto& reader, int connection) {
                                 return invitations.answer(reader, connection);
                             },
                             max_operators});
    }
    pages::Server server(std::move(listeners), pages::ServerLimits(), *log);
    log->write(core::log_events::pages_ready,
               {{"url", config.pages.public_url}, {"listen", sockets.describe()}});
    for (const std::string& name : ledger.interrupted()) {
        log->write(
            core::log_events::pages_failed,
            {{"step", "connect"},
             {"source", name},
             {"reason",
              "the process ended while the source was made: its invitation is open again. If "
              "`flowrelay source list` does not show it, remove it in its flow, should it be "
              "there"}});
    }
    notifier.ready();
    server.run(stop, [&] { site.tidy(); });
    notifier.stopping();
    site.end();
    ::close(stop);
}

/// Says why it does not start, in the journal as an error.
void complain(const std::string& text) {
    const bool to_journal = app::is_journal_stream(STDERR_FILENO);
    std::fprintf(stderr, "%s%s: %s\n", to_journal ? "<3>" : "", program_name, text.c_str());
}

int run(const std::string& config_file) {
    try {
        serve(app::load_config(config_file));
        return 0;
    } catch (const app::ConfigError& error) {
        for (const auto& problem : error.problems()) complain(to_string(problem));
        complain(fmt::format(
            "there are no pages until this is corrected and flowrelay-connect is started again "
            "(`systemctl restart flowrelay-connect`); the configuration is {}",
            config_file));
        return exit_config;
    } catch (const std::exception& error) {
        complain(error.what());
        return exit_failed;
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App cli(
        "flowrelay-connect serves the pages with which people connect a source of flowrelayd to a "
        "flow in their browser, and change its settings.");
    std::string config_file = "/etc/flowrelay/flowrelay.yaml";
    cli.add_option("--config", config_file, "The configuration file (" + config_file + ")")
        ->type_name("FILE");
    cli.set_version_flag("--version", "flowrelay-connect " + std::string(version()));
    try {
        cli.parse(argc, argv);
    } catch (const CLI::Success& help_or_version) {
        return cli.exit(help_or_version);
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "flowrelay-connect: %s\nSee flowrelay-connect --help.\n",
                     error.what());
        return exit_usage;
    }
    app::forbid_core_dumps();
    return run(config_file);
}
