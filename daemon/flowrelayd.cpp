// flowrelayd: reads its configuration, runs the relay in the foreground.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/core_dumps.hpp"
#include "flowrelay/app/daemon.hpp"
#include "flowrelay/app/logging.hpp"
#include "flowrelay/app/systemd.hpp"
#include "flowrelay/base/version.hpp"
#include "flowrelay/core/log_events.hpp"

// jemalloc(3) reads this before main(); MALLOC_CONF in the environment goes before it. One arena
// for both threads, and pages that nobody needs go back within a second, also when nothing is
// allocated any more (background_thread): what a burst of events took is not kept for the next one.
extern "C" {
const char* malloc_conf = "narenas:1,dirty_decay_ms:500,muzzy_decay_ms:0,background_thread:true";
}

namespace {

using namespace flowrelay;

// sysexits.h: these are part of the interface (flowrelayd(8)).
constexpr int exit_usage = 64;
constexpr int exit_failed = 70;
constexpr int exit_config = 78;

int run(const std::string& config_file) {
    const SystemClock clock;
    auto log = app::make_log(app::LogConfig(), clock);
    try {
        auto config = app::load_config(config_file);
        log = app::make_log(config.log, clock);
        log->write(core::log_events::config_loaded,
                   {{"file", config_file}, {"sources", config.sources.size()}});
        auto notifier = app::ServiceNotifier::from_environment();
        auto sockets = app::take_passed_sockets();
        if (sockets.has_error()) throw std::runtime_error(sockets.error().message);
        app::Daemon daemon(std::move(config), config_file, *sockets, std::move(notifier), *log,
                           clock);
        daemon.run();
        // Everything is on disk and nobody is connected: the look-up of a name is not worth the
        // time that a silent name server takes.
        if (daemon.is_looking_up()) std::_Exit(0);
        return 0;
    } catch (const app::ConfigError& error) {
        for (const auto& problem : error.problems()) {
            log->write(core::log_events::config_invalid, {{"reason", to_string(problem)}});
        }
        return exit_config;
    } catch (const std::exception& error) {
        log->write(core::log_events::relay_failed, {{"reason", error.what()}});
        return exit_failed;
    }
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App cli(
        "flowrelayd keeps activity events on disk and posts them to /messages of a "
        "Flowdock-compatible API.");
    std::string config_file = "/etc/flowrelay/flowrelay.yaml";
    cli.add_option("--config", config_file, "The configuration file (" + config_file + ")")
        ->type_name("FILE");
    cli.set_version_flag("--version", "flowrelayd " + std::string(version()));
    try {
        cli.parse(argc, argv);
    } catch (const CLI::Success& help_or_version) {
        return cli.exit(help_or_version);
    } catch (const CLI::ParseError& error) {
        std::fprintf(stderr, "flowrelayd: %s\nSee flowrelayd --help.\n", error.what());
        return exit_usage;
    }
    app::forbid_core_dumps();
    return run(config_file);
}
