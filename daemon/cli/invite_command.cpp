// flowrelay source invite
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/complain.hpp"
#include "cli/control_client.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

struct InviteOptions {
    std::string name;
    std::string flow;
    std::string expires = "24h";
    std::string socket;
    bool list = false;
    bool revoke = false;
    bool as_json = false;
};

/// Sends a request to flowrelay-connect. On failure prints the reason and returns nothing.
std::optional<DaemonReply> ask_pages(const InviteOptions& options, std::string_view method,
                                     std::string_view target, const json::object& body,
                                     ExitCode& exit_code) {
    const std::string text = method == "GET" ? std::string() : json::serialize(body);
    auto reply = call_daemon(options.socket, method, target, text, patience_with_disk);
    if (reply && reply->ok()) return std::move(*reply);
    exit_code = reply ? exit_code_of(*reply) : exit_code_of(reply.error());
    if (!reply && exit_code == ExitCode::unavailable) {
        complain(
            fmt::format("nobody listens on {}: is flowrelay-connect running? `systemctl status "
                        "flowrelay-connect.socket`",
                        options.socket));
    } else {
        complain(reply ? message_of(*reply) : reply.error().message);
    }
    return std::nullopt;
}

ExitCode list_invitations(const InviteOptions& options) {
    ExitCode exit_code = ExitCode::ok;
    const auto reply = ask_pages(options, "GET", "/v1/invitations", {}, exit_code);
    if (!reply) return exit_code;
    if (options.as_json) {
        print_json(reply->body);
        return ExitCode::ok;
    }
    std::string text;
    for (const json::object& each : parse_lines(reply->body)) {
        const std::string flow = text_of(each, "flow");
        text += fmt::format("{}  until {}{}\n", text_of(each, "name"), text_of(each, "expires"),
                            flow.empty() ? "" : ", for " + flow);
    }
    print_text(text.empty() ? "no invitation is open" : text);
    return ExitCode::ok;
}

ExitCode revoke_invitation(const InviteOptions& options) {
    ExitCode exit_code = ExitCode::ok;
    const auto reply =
        ask_pages(options, "POST", "/v1/invitations/revoke", {{"name", options.name}}, exit_code);
    if (!reply) return exit_code;
    if (options.as_json) {
        print_json(reply->body);
    } else {
        print_text(fmt::format("the invitation for {} is withdrawn", options.name));
    }
    return ExitCode::ok;
}

ExitCode make_invitation(const InviteOptions& options) {
    const auto expires = parse_duration(options.expires);
    if (!expires) {
        complain(fmt::format("--expires: \"{}\" is not a duration like 90m, 24h or 7d",
                             options.expires));
        return ExitCode::usage;
    }
    json::object wanted{{"name", options.name},
                        {"expires_s", std::chrono::duration_cast<Seconds>(*expires).count()}};
    if (!options.flow.empty()) wanted["flow"] = options.flow;
    ExitCode exit_code = ExitCode::ok;
    const auto reply = ask_pages(options, "POST", "/v1/invitations", wanted, exit_code);
    if (!reply) return exit_code;
    if (options.as_json) {
        print_json(reply->body);
        return ExitCode::ok;
    }
    const auto made = parse_object(reply->body);
    if (!made) {
        complain(made.error().message);
        return ExitCode::try_later;
    }
    note(fmt::format("Whoever opens this address can connect {} once, until {}:",
                     text_of(*made, "name"), text_of(*made, "expires")));
    print_text(text_of(*made, "url"));
    return ExitCode::ok;
}

ExitCode run_invite(const InviteOptions& options) {
    if (options.list && options.revoke) {
        complain("--list and --revoke are two different things: give one of them");
        return ExitCode::usage;
    }
    if (options.list) return list_invitations(options);
    if (options.name.empty()) {
        complain("which source is meant? flowrelay source invite NAME");
        return ExitCode::usage;
    }
    return options.revoke ? revoke_invitation(options) : make_invitation(options);
}

}  // namespace

void add_invite_command(Command source, Context& context) {
    const Command invite = source.add_subcommand(
        "invite", "Create an address at which a user can connect a source in a browser");
    const auto options = std::make_shared<InviteOptions>();
    options->socket = context.invite_socket;
    invite.add_option("NAME", options->name, "The name of the source, for producers").type_name("");
    invite
        .add_option("--flow", options->flow,
                    "The only flow to which it can be connected: ORG/FLOW, or an id")
        .type_name("FLOW");
    invite
        .add_option("--expires", options->expires,
                    "How long the invitation is open, 1m to 30d (24h)")
        .type_name("TIME");
    invite.add_flag("--list", options->list, "Show the invitations that are open");
    invite.add_flag("--revoke", options->revoke, "Withdraw the invitation for NAME");
    invite
        .add_option("--invite-socket", options->socket,
                    "The socket of flowrelay-connect (" + context.invite_socket + ")")
        .type_name("PATH")
        .not_empty();
    invite.add_flag("--json", options->as_json, "As JSON");
    invite.footer(
        "Asks flowrelay-connect, which serves the pages. The address works once. A second one for "
        "NAME\n"
        "replaces the first. Anyone who has the address can connect the source to a flow of their "
        "own:\n"
        "send it as you would send a password.\n"
        "\n"
        "  flowrelay source invite ci --flow example/main --expires 7d");
    invite.callback(
        [options, &context] { context.run = [options] { return run_invite(*options); }; });
}

}  // namespace flowrelay::cli
