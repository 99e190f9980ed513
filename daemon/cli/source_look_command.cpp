// flowrelay source show, flowrelay source check
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/source_text.hpp"
#include "cli/terminal.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

struct LookOptions {
    std::string name;
    bool as_json = false;
};

ExitCode show_source(const Context& context, const LookOptions& options) {
    Operator daemon(context);
    const auto reply = daemon.get("/v1/sources/" + url_encode(options.name));
    if (!reply) return daemon.exit_code();
    if (options.as_json) {
        print_json(reply->body);
        return ExitCode::ok;
    }
    const auto source = parse_object(reply->body);
    if (!source) {
        complain(source.error().message);
        return ExitCode::try_later;
    }
    print_text(format_source(*source));
    return ExitCode::ok;
}

/// Returns whether a source from GET /v1/sources can be checked.
bool can_be_checked(const json::object& source) {
    const std::string kind = text_of(source, "kind");
    const std::string state = text_of(source, "state");
    return (kind == "configured" || kind == "added") && state != "gone" && state != "erased" &&
           state != "removed";
}

ExitCode check_one(Operator& daemon, const std::string& name, bool as_json) {
    const auto reply = daemon.post("/v1/sources/" + url_encode(name) + "/check", {});
    if (!reply) return daemon.exit_code();
    const auto source = parse_object(reply->body);
    if (!source) {
        complain(source.error().message);
        return ExitCode::try_later;
    }
    if (as_json) {
        print_json(reply->body);
    } else {
        print_text(format_check(*source));
    }
    std::fflush(stdout);
    return exit_code_of_check(text_of(*source, "result"));
}

ExitCode check_sources(const Context& context, const LookOptions& options) {
    Operator daemon(context);
    if (!options.name.empty()) return check_one(daemon, options.name, options.as_json);
    std::vector<std::string> slots;
    const auto take = [&](const std::string& lines) {
        for (const auto& source : parse_lines(lines)) {
            if (can_be_checked(source)) slots.push_back(text_of(source, "slot"));
        }
        return true;
    };
    bool more = false;
    if (!daemon.pages("/v1/sources", 0, take, more)) return daemon.exit_code();
    if (slots.empty() && !options.as_json) print_text("there is no source to ask for");
    ExitCode worst = ExitCode::ok;
    for (const std::string& slot : slots) {
        const ExitCode one = check_one(daemon, slot, options.as_json);
        if (one == ExitCode::unavailable || one == ExitCode::not_permitted) return one;
        worst = worse_check(worst, one);
    }
    return worst;
}

}  // namespace

void add_look_commands(Command source, Context& context) {
    const auto options = std::make_shared<LookOptions>();

    const Command show =
        source.add_subcommand("show", "Show one source, and its place in the flow");
    show.add_option("NAME", options->name, "The source, as shown by `source list`")
        .required()
        .type_name("")
        .not_empty();
    show.add_flag("--json", options->as_json, "As JSON");
    show.callback([options, &context] {
        context.run = [options, &context] { return show_source(context, *options); };
    });

    const Command check = source.add_subcommand(
        "check", "Ask the destination whether sources still exist in their flows");
    check.add_option("NAME", options->name, "The source; without it, all that have a token")
        .type_name("")
        .not_empty();
    check.add_flag("--json", options->as_json, "One JSON object a line");
    check.footer(
        "Posts nothing: flowrelayd sends GET /sources with the token of the source. A source that "
        "is gone\n"
        "is disabled, and erased after the grace, as after a 410. Any other answer changes "
        "nothing.\n"
        "\n"
        "Exit status: 0 all were found; 65 one is gone; 75 no answer, try later; 1 the answer of\n"
        "the destination does not tell.");
    check.callback([options, &context] {
        context.run = [options, &context] { return check_sources(context, *options); };
    });
}

}  // namespace flowrelay::cli
