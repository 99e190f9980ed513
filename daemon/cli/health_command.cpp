// flowrelay health
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/health.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"

namespace flowrelay::cli {

namespace {

// Monitoring systems have short timeouts.

struct HealthOptions {
    HealthLimits limits;
    std::string warn_age = "15m";
    std::string crit_age = "2h";
    bool as_json = false;
};

ExitCode run_health(const std::string& socket, const HealthOptions& options) {
    const auto answer = get_from_daemon(socket, "/v1/status", patience);
    HealthReport report;
    if (const auto status = answer ? parse_object(*answer) : answer.error(); status) {
        report = judge_health(*status, options.limits);
    } else {
        report = judge_no_answer(status.error());
    }
    if (options.as_json) {
        const boost::json::object object{{"exit_status", static_cast<int>(report.health)},
                                         {"text", report.line}};
        print_json(boost::json::serialize(object));
    } else {
        print_text(report.line);
    }
    return static_cast<ExitCode>(report.health);
}

}  // namespace

void add_health_command(Command app, Context& context) {
    const Command health =
        app.add_subcommand("health", "One line and an exit status for monitoring");
    const auto options = std::make_shared<HealthOptions>();
    health
        .add_option("--warn-age", options->warn_age,
                    "Waiting time of the oldest event for a warning (15m)")
        .type_name("DURATION");
    health
        .add_option("--crit-age", options->crit_age,
                    "Waiting time of the oldest event for critical (2h)")
        .type_name("DURATION");
    health
        .add_option("--warn-spool", options->limits.warn_spool,
                    "Used part of the spool for a warning, in per cent (80)")
        .type_name("N")
        .per_cent();
    health
        .add_option("--crit-spool", options->limits.crit_spool,
                    "Used part of the spool for critical, in per cent (95)")
        .type_name("N")
        .per_cent();
    health
        .add_option("--warn-dead", options->limits.warn_dead,
                    "Number of dead letters for a warning (0: never)")
        .type_name("N")
        .whole_number();
    health.add_flag("--json", options->as_json, "As JSON");
    health.footer(
        "Always critical: flowrelayd does not run or does not answer, no events are accepted, the "
        "spool came\n"
        "from another machine, base_url is wrong, the dead letters are full or are missing from "
        "their file, or\n"
        "events are unaccounted for. Always a warning: flowrelayd is stopping, the destination "
        "does not accept\n"
        "events, refuses or has removed a token, events wait for a source that is not configured "
        "or not known,\n"
        "the quota of a token is used up, or a thread is held for an operator. Unknown: this user "
        "lacks the\n"
        "permission, or another program answers. Exit status: 0 OK, 1 warning, 2 critical, 3 "
        "unknown,\n"
        "64 wrong options.");
    health.callback([options, &context] {
        context.run = [options, &context] {
            const auto warn = parse_duration(options->warn_age);
            const auto crit = parse_duration(options->crit_age);
            if (!warn || !crit) {
                complain("--warn-age, --crit-age: write a number and a unit, like 90s or 2h");
                return ExitCode::usage;
            }
            options->limits.warn_age = *warn;
            options->limits.crit_age = *crit;
            return run_health(context.control(), *options);
        };
    });
}

}  // namespace flowrelay::cli
