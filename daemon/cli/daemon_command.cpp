// flowrelay reload, flowrelay metrics
#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <cstdio>
#include <memory>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

constexpr Milliseconds longest_wait = Seconds(30);
constexpr int invalid_config = 422;
constexpr int would_destroy = 409;

void print_list(std::FILE* out, const json::object& answer, std::string_view name,
                std::string_view before) {
    const json::array* items = array_of(answer, name);
    if (items == nullptr) return;
    for (const json::value& item : *items) {
        if (item.is_string()) {
            fmt::print(out, "{}{}\n", before, app::printable(item.get_string()));
        }
    }
}

/// Sources whose state the reload did not change, and that somebody should look at.
void print_attention(const json::object& answer) {
    const json::array* sources = array_of(answer, "attention");
    if (sources == nullptr) return;
    for (const json::value& item : *sources) {
        if (!item.is_object()) continue;
        const auto& source = item.get_object();
        const std::string state = text_of(source, "state");
        const std::string left = seconds_of(source, "erase_in_s");
        const char* hint = state == "gone"     ? "; `flowrelay source enable` takes the 410 back"
                           : state == "erased" ? "; with a new token in its place and another "
                                                 "reload it begins again"
                                               : "";
        fmt::print("Look at {}: it is {}, with {} queued{}{}\n", text_of(source, "name"), state,
                   counted_of(source, "queued", "event"), left.empty() ? "" : ", erased in " + left,
                   hint);
    }
}

ExitCode run_reload(const std::string& socket, bool as_json, bool accept_loss) {
    const std::string body = accept_loss ? R"({"accept_loss":true})" : "{}";
    const auto reply = call_daemon(socket, "POST", "/v1/reload", body, longest_wait);
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
            print_list(stderr, *answer, "problems", "");
        }
        return ExitCode::bad_config;
    }
    if (as_json || !answer) return ExitCode::ok;
    const json::array* changed = array_of(*answer, "changed");
    const json::array* restart = array_of(*answer, "restart");
    const bool in_force = changed != nullptr && !changed->empty();
    const bool later = restart != nullptr && !restart->empty();
    fmt::print("{}\n", in_force ? "Reloaded. In force now:"
                       : later  ? "Reloaded; nothing new is in force yet."
                                : "Reloaded; nothing was different.");
    print_list(stdout, *answer, "changed", "  ");
    if (later) fmt::print("In force after a restart of flowrelayd:\n");
    print_list(stdout, *answer, "restart", "  ");
    print_attention(*answer);
    print_list(stdout, *answer, "consequences", "");
    return ExitCode::ok;
}

ExitCode run_metrics(const std::string& socket) {
    const auto text = get_from_daemon(socket, "/v1/metrics", longest_wait);
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
                    "Also if dead letters are dropped by it (a shorter dead_letters.max_age)");
    reload.footer(
        "A file that is right counts as a whole, any other changes nothing. `flowrelay config "
        "check`\n"
        "says beforehand whether it is.\n\n"
        "Exit status: 0, 64 wrong options, 69 flowrelayd is not there, 75 no proper answer,\n"
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
