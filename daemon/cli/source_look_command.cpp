// flowrelay source show
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "cli/source_text.hpp"

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

}  // namespace

void add_look_commands(Command source, Context& context) {
    const auto options = std::make_shared<LookOptions>();

    const Command show = source.add_subcommand("show", "Show one source, and where it lives");
    show.add_option("NAME", options->name, "The source, as `source list` shows it")
        .required()
        .type_name("")
        .not_empty();
    show.add_flag("--json", options->as_json, "As JSON");
    show.callback([options, &context] {
        context.run = [options, &context] { return show_source(context, *options); };
    });
}

}  // namespace flowrelay::cli
