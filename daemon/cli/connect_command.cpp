// flowrelay source connect
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "app/secret_file.hpp"
#include "cli/commands.hpp"
#include "cli/flow_setup.hpp"
#include "cli/operator.hpp"
#include "cli/read_secret.hpp"
#include "flowrelay/app/api_client.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

struct ConnectOptions {
    std::string name;
    std::string flow;
    std::string access_token_file;
    std::string title;
    std::string url;
    std::string config = "/etc/flowrelay/flowrelay.yaml";
    bool as_json = false;
};

/// How the command ends when the API does not do what it is asked.
ExitCode exit_code_for_status(int status) noexcept {
    if (status == 401 || status == 403) return ExitCode::not_permitted;
    return status == 429 || status >= 500 ? ExitCode::try_later : ExitCode::rejected;
}

std::string refusal_text(const app::ApiClient::Answer& answer, std::string_view what) {
    std::string text = fmt::format("the API answers HTTP {} {}", answer.status, what);
    if (!answer.message.empty()) text += ": " + app::printable(answer.message);
    if (answer.status == 401) text += "; is the access token right, and not expired?";
    if (answer.status == 403) text += "; may its user add sources to this flow?";
    if (answer.status == 404) text += "; is there such a flow, and is its user in it?";
    if (answer.status >= 300 && answer.status < 400) text += "; is destination.base_url right?";
    return text;
}

/// One source, from the flow to the daemon. Each step says what went wrong, and sets exit_code().
class Connecting {
public:
    Connecting(const Context& context, const ConnectOptions& options, const app::Config& config,
               Secret access)
        : options_(options),
          config_(config),
          access_(std::move(access)),
          api_(config),
          daemon_(context) {}

    ExitCode run() {
        // First what can be known beforehand: a token is shown once, when its source is made.
        if (!daemon_.post("/v1/sources", {{"name", options_.name}, {"plan", true}})) {
            return daemon_.exit_code();
        }
        const auto place = find_sources();
        if (!place) return exit_code_;
        const auto source = make(*place);
        if (!source) return exit_code_;
        const auto added = daemon_.post(
            "/v1/sources", {{"name", options_.name}, {"flow_token", source->flow_token.reveal()}});
        if (!added) {
            take_back(*place, source->id);
            return daemon_.exit_code();
        }
        if (options_.as_json) {
            print_json(json::serialize(json::object{
                {"name", options_.name}, {"flow", options_.flow}, {"source_id", source->id}}));
        } else {
            print_text(fmt::format("{} is connected to {}, where it is source {}", options_.name,
                                   options_.flow, app::printable(source->id)));
        }
        return ExitCode::ok;
    }

private:
    std::optional<app::ApiClient::Answer> call(std::string_view method, std::string_view target,
                                               std::string_view body, std::string_view what) {
        auto answer = api_.call(method, target, access_, body);
        if (!answer) {
            complain(fmt::format("{} does not answer: {}", config_.destination.base_url,
                                 app::printable(answer.error().message)));
            exit_code_ = ExitCode::try_later;
            return std::nullopt;
        }
        if (answer->status < 200 || answer->status > 299) {
            complain(refusal_text(*answer, what));
            exit_code_ = exit_code_for_status(answer->status);
            return std::nullopt;
        }
        return std::move(*answer);
    }

    template <class T>
    std::optional<T> understood(Result<T> result) {
        if (result) return std::move(*result);
        complain(app::printable(result.error().message));
        exit_code_ = ExitCode::rejected;
        return std::nullopt;
    }

    std::optional<std::string> find_sources() {
        if (is_flow_path(options_.flow)) return sources_of_path(options_.flow);
        const auto flow = call("GET", "/flows/find?id=" + url_encode(options_.flow), {},
                               "when asked for the flow");
        if (!flow) return std::nullopt;
        return understood(sources_of_answer(flow->body, config_.destination.base_url));
    }

    std::optional<NewSource> make(const std::string& place) {
        json::object wanted{{"name", options_.title.empty() ? options_.name : options_.title}};
        if (!options_.url.empty()) wanted["external_url"] = options_.url;
        const auto answer = call("POST", place, repair_utf8(json::serialize(wanted)),
                                 "when asked to make the source");
        if (!answer) return std::nullopt;
        return understood(read_new_source(answer->body));
    }

    /// Nobody has the token of that source now.
    void take_back(const std::string& place, const std::string& id) {
        const auto gone = id.empty() ? std::nullopt
                                     : call("DELETE", place + "/" + url_encode(id), {},
                                            "when asked to remove the source again");
        complain(gone ? "the source in the flow was removed again"
                      : fmt::format("source {} stays in the flow without use: remove it there",
                                    app::printable(id)));
    }

    const ConnectOptions& options_;
    const app::Config& config_;
    Secret access_;
    app::ApiClient api_;
    Operator daemon_;
    ExitCode exit_code_ = ExitCode::try_later;
};

ExitCode run_connect(const Context& context, const ConnectOptions& options) {
    const app::SecretRules rules{"access token", 4096, false};
    const auto access =
        options.access_token_file == "-"
            ? app::check_secret(read_secret_line("The access token"), rules)
            : app::read_secret_file(options.access_token_file, app::FileMode::checked, rules);
    if (!access) {
        complain(fmt::format("{}: access token: {}",
                             options.access_token_file == "-" ? "stdin" : options.access_token_file,
                             access.error().message));
        return options.access_token_file == "-" ? ExitCode::usage : ExitCode::bad_config;
    }
    try {
        const app::Config config = app::load_config(options.config);
        return Connecting(context, options, config, *access).run();
    } catch (const app::ConfigError& error) {
        complain(error.what());
        return ExitCode::bad_config;
    }
}

}  // namespace

void add_connect_command(Command source, Context& context) {
    const Command connect =
        source.add_subcommand("connect", "Make a source in a flow, and add it with its new token");
    const auto options = std::make_shared<ConnectOptions>();
    connect.add_option("NAME", options->name, "The source, as producers will call it")
        .required()
        .type_name("");
    connect
        .add_option("--flow", options->flow,
                    "The flow: ORG/FLOW as in its address, or the id that a set-up page was given")
        .required()
        .type_name("FLOW");
    connect
        .add_option("--access-token-file", options->access_token_file,
                    "The file (mode 0600) with an OAuth access token of somebody in the flow;\n"
                    "- reads it from stdin")
        .required()
        .type_name("FILE");
    connect.add_option("--title", options->title, "What the flow calls the source (NAME)")
        .type_name("TEXT");
    connect.add_option("--url", options->url, "Where what it reports on is found").type_name("URL");
    connect
        .add_option("--config", options->config,
                    "The configuration, which says where the API is (" + options->config + ")")
        .type_name("FILE");
    connect.add_flag("--json", options->as_json, "As JSON");
    connect.footer(
        "Asks the API for a source in the flow and hands its flow_token, which nobody sees, to\n"
        "flowrelayd: as `source add`. Where the access token comes from is in docs/operations.md.\n"
        "\n"
        "  flowrelay source connect ci --flow example/main --access-token-file /root/access.token");
    connect.callback([options, &context] {
        context.run = [options, &context] { return run_connect(context, *options); };
    });
}

}  // namespace flowrelay::cli
