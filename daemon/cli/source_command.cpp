// flowrelay source
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <cstdio>
#include <memory>

#include "cli/access_options.hpp"
#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/operator_text.hpp"
#include "cli/read_secret.hpp"
#include "cli/remote_removal.hpp"
#include "cli/terminal.hpp"
#include "flowrelay/app/config.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

struct SourceOptions {
    std::string name;
    std::string token_file;
    RemoteOptions remote;
    bool plan = false;
    bool yes = false;
    bool as_json = false;
};

ExitCode list_sources(const Context& context, bool as_json) {
    Operator daemon(context);
    std::vector<json::object> sources;
    const auto take = [&](const std::string& lines) {
        if (as_json) {
            print_json(lines);
            return true;
        }
        for (auto& source : parse_lines(lines)) sources.push_back(std::move(source));
        return true;
    };
    bool more = false;
    if (!daemon.pages("/v1/sources", 0, take, more)) return daemon.exit_code();
    if (!as_json) print_text(format_sources(sources, wants_colour(stdout)));
    return ExitCode::ok;
}

/// Reads a token from where the options say. If there is none, prints a message and returns
/// nothing.
std::optional<Secret> token_of(const SourceOptions& options, ExitCode& exit_code) {
    if (options.token_file == "-") {
        Secret token(read_secret_line("The flow_token"));
        if (!token.empty()) return token;
        complain("there is no flow_token on stdin");
        exit_code = ExitCode::usage;
        return std::nullopt;
    }
    app::SourceConfig source;
    source.name = options.name;
    source.flow_token_file = options.token_file;
    try {
        return app::load_token(source);
    } catch (const app::ConfigError& error) {
        complain(error.what());
        exit_code = ExitCode::bad_config;
        return std::nullopt;
    }
}

ExitCode show_changed(const DaemonReply& reply, const SourceOptions& options, const char* verb) {
    if (options.as_json) {
        print_json(reply.body);
        return ExitCode::ok;
    }
    const auto source = parse_object(reply.body);
    if (!source) {
        complain(source.error().message);
        return ExitCode::try_later;
    }
    const std::string state = text_of(*source, "state");
    print_text(fmt::format("{} is {}{}, {} queued", text_of(*source, "name"), verb,
                           state == verb ? "" : ": " + state,
                           counted_of(*source, "queued", "event")));
    return ExitCode::ok;
}

ExitCode give_token(const Context& context, const SourceOptions& options, bool add) {
    ExitCode exit_code = ExitCode::ok;
    const auto token = token_of(options, exit_code);
    if (!token) return exit_code;
    json::object body{{"flow_token", token->reveal()}};
    if (add) body["name"] = options.name;
    Operator daemon(context);
    const auto reply = daemon.post(
        add ? "/v1/sources" : "/v1/sources/" + url_encode(options.name) + "/rotate", body);
    if (!reply) return daemon.exit_code();
    return show_changed(*reply, options, add ? "added" : "rotated");
}

ExitCode change_source(const Context& context, const SourceOptions& options, const char* action,
                       const char* verb) {
    Operator daemon(context);
    const auto reply =
        daemon.post(fmt::format("/v1/sources/{}/{}", url_encode(options.name), action), {});
    if (!reply) return daemon.exit_code();
    return show_changed(*reply, options, verb);
}

/// Removes a source and prints the result. `options` must not have --plan.
ExitCode remove_here(const Context& context, const SourceOptions& options) {
    Operator daemon(context);
    const auto reply =
        daemon.post("/v1/sources/" + url_encode(options.name) + "/remove", {{"plan", false}});
    if (!reply) return daemon.exit_code();
    const ExitCode shown = show_changed(*reply, options, "removed, what it had is being erased");
    if (!options.as_json && !options.remote.wanted) {
        print_text("it stays in its flow: remove it there as well, if it is still there");
    }
    return shown;
}

/// Removes a source from its flow, then from the daemon, so that the user can try again if the
/// first step fails. Signals are held back meanwhile.
ExitCode remove_everywhere(const Context& context, SourceOptions source) {
    RemoteOptions& options = source.remote;
    Operator daemon(context);
    const auto known = daemon.get("/v1/sources/" + url_encode(source.name));
    if (!known) return daemon.exit_code();
    if (const auto found = parse_object(known->body)) use_known_source(options, *found);
    options.access.interactive = is_interactive(options.access);
    if (!options.access.interactive && options.flow.empty()) {
        complain("--flow is needed because nobody can choose one: stdin is not a terminal");
        return ExitCode::usage;
    }
    return run_with_access(options.access, [&](const app::Config& config, LineInput& input,
                                               const HeldSignals& signals) {
        const auto here = [&] { return remove_here(context, source); };
        return std::make_unique<RemoteRemoval>(context, source.name, options, here, config, input,
                                               signals);
    });
}

ExitCode plan_removal(const Context& context, const SourceOptions& options) {
    Operator daemon(context);
    const auto reply =
        daemon.post("/v1/sources/" + url_encode(options.name) + "/remove", {{"plan", true}});
    if (!reply) return daemon.exit_code();
    if (options.as_json) {
        print_json(reply->body);
        return ExitCode::ok;
    }
    const auto plan = parse_object(reply->body);
    if (!plan) {
        complain(plan.error().message);
        return ExitCode::try_later;
    }
    print_text(fmt::format(
        "{}, {} and the token of {} would be erased", counted_of(*plan, "queued", "queued event"),
        counted_of(*plan, "dead_letters", "dead letter"), text_of(*plan, "name")));
    return ExitCode::ok;
}

ExitCode remove_source(const Context& context, const SourceOptions& options) {
    if (!options.plan && !options.yes) {
        complain("this can't be undone: --plan says what would be erased, --yes does it");
        return ExitCode::usage;
    }
    if (!options.remote.wanted && options.remote.says_something()) {
        complain(
            "--flow, --source-id, --title, --access-token-file, --no-browser and --wait say how "
            "the "
            "source is removed from its flow: add --delete-remote, or leave them out");
        return ExitCode::usage;
    }
    if (options.plan) return plan_removal(context, options);
    return options.remote.wanted ? remove_everywhere(context, options)
                                 : remove_here(context, options);
}

Command add_change(Command parent, const char* name, const char* what,
                   const std::shared_ptr<SourceOptions>& options) {
    const Command command = parent.add_subcommand(name, what);
    command.add_option("NAME", options->name, "The source, as shown by `source list`")
        .required()
        .type_name("")
        .not_empty();
    command.add_flag("--json", options->as_json, "As JSON");
    return command;
}

void add_token_option(Command command, SourceOptions& options) {
    command
        .add_option("--token-file", options.token_file,
                    "The file with the flow_token (mode 0600); - reads it from stdin")
        .required()
        .type_name("FILE")
        .not_empty();
}

}  // namespace

void add_source_commands(Command app, Context& context) {
    const Command source = app.add_subcommand(
        "source", "Show, check, add, connect, filter, invite, pause, rotate and remove sources");
    source.require_subcommand();
    const auto options = std::make_shared<SourceOptions>();

    const Command list = source.add_subcommand("list", "Show all sources and tokens");
    list.add_flag("--json", options->as_json, "One JSON object a line");
    list.callback([options, &context] {
        context.run = [options, &context] { return list_sources(context, options->as_json); };
    });

    const Command add =
        add_change(source, "add", "Add a source that is not in the configuration", options);
    add_token_option(add, *options);
    add.footer(
        "It works at once, and stays after a restart. A token is never given on the command line,\n"
        "where ps(1) shows it.\n"
        "\n"
        "  flowrelay source add ci --token-file /root/ci.token\n"
        "  pass show flowdock/ci | flowrelay source add ci --token-file -");
    add.callback([options, &context] {
        context.run = [options, &context] { return give_token(context, *options, true); };
    });

    add_connect_command(source, context);
    add_invite_command(source, context);
    add_look_commands(source, context);

    add_filter_command(source, context);

    const Command rotate =
        add_change(source, "rotate", "Give an added source a new token", options);
    add_token_option(rotate, *options);
    rotate.footer(
        "Queued events are posted with the new token, in the same order. The token of a configured "
        "source\n"
        "is changed in the configuration.");
    rotate.callback([options, &context] {
        context.run = [options, &context] { return give_token(context, *options, false); };
    });

    const auto simple = [&](const char* name, const char* what, const char* verb) {
        add_change(source, name, what, options).callback([options, name, verb, &context] {
            context.run = [options, name, verb, &context] {
                return change_source(context, *options, name, verb);
            };
        });
    };
    simple("pause", "Keep the events of a source until it is resumed", "paused");
    simple("resume", "End a pause; a token that the destination refused is tried at once",
           "resumed");
    simple("enable", "Undo a 410, if nothing was erased yet", "enabled");

    const Command remove =
        add_change(source, "remove", "Erase a source and everything stored for it", options);
    remove.add_flag("--plan", options->plan, "Only show what would be erased");
    remove.add_flag("--yes", options->yes, "Do it; this can't be undone");
    remove.add_flag("--delete-remote", options->remote.wanted,
                    "Remove it from its flow first; a user must allow that in a browser");
    remove
        .add_option("--flow", options->remote.flow,
                    "The flow: ORG/FLOW or its id; unless given,\n"
                    "the one that `source connect` has recorded")
        .type_name("FLOW");
    remove
        .add_option(
            "--source-id", options->remote.source_id,
            "The id of the source in the flow; unless given, the one that `source connect`\n"
            "has recorded, or else the source called --title (NAME)")
        .type_name("ID");
    remove.add_option("--title", options->remote.title, "Its name in the flow (NAME)")
        .type_name("TEXT");
    add_access_options(remove, options->remote.access);
    remove.footer(
        "Its queued events, its dead letters and its token are overwritten on the disk. If it is "
        "in the\n"
        "configuration, remove it there as well.");
    remove.callback([options, &context] {
        context.run = [options, &context] { return remove_source(context, *options); };
    });
}

}  // namespace flowrelay::cli
