// flowrelay reload, flowrelay metrics
#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/reload_text.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

constexpr int invalid_config = 422;
constexpr int would_destroy = 409;

ExitCode run_reload(const std::string& socket, bool as_json, bool accept_loss) {
    const std::string body = accept_loss ? R"({"accept_loss":true})" : "{}";
    const auto reply = call_daemon(socket, "POST", "/v1/reload", body, patience_with_disk);
    if (!reply) {
        complain(reply.error().message);
        return exit_code_of(reply.error());
    }
    const auto answer = parse_object(reply->body);
    const bool has_reasons = answer && array_of(*answer, "problems") != nullptr;
    const bool not_applied =
        reply->code == invalid_config || (reply->code == would_destroy && has_reasons);
    if (as_json && (reply->ok() || not_applied)) print_json(reply->body);
    if (!reply->ok()) {
        if (!not_applied || !answer) {
            complain(message_of(*reply));
            return exit_code_of(*reply);
        }
        if (!as_json) {
            complain(reply->code == would_destroy
                         ? "the configuration would destroy data, and nothing has changed:"
                         : "the configuration can't be used, and nothing has changed:");
            fmt::print(stderr, "{}", format_problems(*answer));
        }
        return ExitCode::bad_config;
    }
    if (!as_json && answer) fmt::print("{}", format_reload(*answer));
    return ExitCode::ok;
}

ExitCode run_metrics(const std::string& socket) {
    const auto text = get_from_daemon(socket, "/v1/metrics", patience_with_disk);
    if (!text) {
        complain(text.error().message);
        return exit_code_of(text.error());
    }
    print_text(*text);
    return ExitCode::ok;
}

}  // namespace

void add_daemon_commands(Command app, Context& context) {
    const Command reload =
        app.add_subcommand("reload", "Let flowrelayd read its configuration again");
    const auto as_json = std::make_shared<bool>(false);
    reload.add_flag("--json", *as_json, "As JSON");
    const auto accept_loss = std::make_shared<bool>(false);
    reload.add_flag("--accept-loss", *accept_loss,
                    "Reload even if that drops dead letters (a shorter dead_letters.max_age)");
    reload.footer(
        "The new file takes effect as a whole, or not at all. `flowrelay config check` checks it "
        "beforehand.\n"
        "\n"
        "Exit status: 0, 64 wrong options, 69 flowrelayd does not run, 75 no valid answer,\n"
        "77 not permitted, 78 the file can't be used.");
    reload.callback([as_json, accept_loss, &context] {
        context.run = [as_json, accept_loss, &context] {
            return run_reload(context.control(), *as_json, *accept_loss);
        };
    });

    const Command metrics =
        app.add_subcommand("metrics", "Print the metrics, for Prometheus or another collector");
    metrics.footer(
        "For the textfile collector of the node exporter, say:\n"
        "  flowrelay metrics > flowrelay.prom.new && mv flowrelay.prom.new flowrelay.prom");
    metrics.callback(
        [&context] { context.run = [&context] { return run_metrics(context.control()); }; });
}

}  // namespace flowrelay::cli
