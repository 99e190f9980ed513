#include "cli/remote_removal.hpp"

#include <fmt/format.h>

#include <utility>

#include "cli/complain.hpp"
#include "cli/control_client.hpp"
#include "cli/json_members.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

bool RemoteOptions::says_something() const {
    const AccessOptions usual;
    return !flow.empty() || !title.empty() || !source_id.empty() || !access.token_file.empty() ||
           access.no_browser || access.wait_seconds != usual.wait_seconds;
}

RemoteRemoval::RemoteRemoval(const Context& context, const std::string& name,
                             const RemoteOptions& options, RemoveHere remove_here,
                             const app::Config& config, LineInput& input,
                             const HeldSignals& signals)
    : context_(context),
      name_(name),
      options_(options),
      remove_here_(std::move(remove_here)),
      signals_(signals),
      api_(config, input, signals) {}

ExitCode RemoteRemoval::prepare() {
    Operator daemon(context_);
    const std::string target = "/v1/sources/" + url_encode(name_) + "/remove";
    return daemon.post(target, {{"plan", true}}) ? ExitCode::ok : daemon.exit_code();
}

/// Chooses the source of the flow. On failure prints the reason and returns nothing.
std::optional<ListedSource> RemoteRemoval::choose(const Flow& flow) {
    if (options_.is_known && !flow.sources.empty()) {
        return ListedSource{options_.source_id, app::printable(name_)};
    }
    exit_code_ = ExitCode::rejected;
    if (flow.sources.empty()) {
        complain(fmt::format("{}; nothing was removed", flow.sources_problem));
        return std::nullopt;
    }
    const auto answer =
        api_.call("GET", flow.sources, {}, "when asked for the sources of the flow");
    if (!answer) {
        exit_code_ = api_.exit_code();
        complain("nothing was removed");
        return std::nullopt;
    }
    const auto sources = client::read_sources(answer->body);
    if (!sources) {
        complain(fmt::format("{}; nothing was removed", app::printable(sources.error().message)));
        return std::nullopt;
    }
    std::string problem;
    auto source = choose_source(*sources, options_.source_id,
                                options_.title.empty() ? name_ : options_.title, problem);
    if (!source) complain(fmt::format("{}; nothing was removed", problem));
    return source;
}

ExitCode RemoteRemoval::work(const Secret& access) {
    api_.use(access);
    const auto flow = api_.find_flow(options_.flow);
    if (!flow) return api_.exit_code();
    const auto source = choose(*flow);
    if (!source) return exit_code_;
    if (signals_.pending()) {
        complain("stopped; nothing was removed");
        return ExitCode::try_later;
    }
    const auto gone = api_.call("DELETE", flow->sources + "/" + url_encode(source->id), {},
                                "when asked to remove the source");
    if (!gone) {
        complain("nothing was removed here");
        return api_.exit_code();
    }
    note(fmt::format("Source {} ({}) was removed from {}.", source->id, source->name,
                     flow->title()));
    const ExitCode removed = remove_here_();
    if (removed != ExitCode::ok) {
        complain(fmt::format("{} is not removed here yet: `flowrelay source remove {} --yes`",
                             name_, name_));
    }
    return removed;
}

void use_known_source(RemoteOptions& options, const boost::json::object& source) {
    const boost::json::object* known = object_of(source, "flow_source");
    if (known == nullptr || !options.source_id.empty() || !options.title.empty()) return;
    const std::string flow = text_of(*known, "flow");
    const std::string id = text_of(*known, "id");
    if (flow.empty() || id.empty()) return;
    if (!options.flow.empty() && options.flow != flow) return;
    options.flow = flow;
    options.source_id = id;
    options.is_known = true;
}

std::optional<ListedSource> choose_source(const std::vector<ListedSource>& sources,
                                          const std::string& id, const std::string& title,
                                          std::string& problem) {
    std::vector<ListedSource> meant;
    std::string all;
    const std::string printed = app::printable(title);
    for (const ListedSource& source : sources) {
        all += fmt::format("{}{} ({})", all.empty() ? "" : ", ", source.id, source.name);
        if (source.id.empty()) continue;
        if (id.empty() ? source.name == printed : source.id == id) meant.push_back(source);
    }
    if (meant.size() == 1) return meant.front();
    problem = meant.empty() ? fmt::format("the flow has no source {}", id.empty() ? printed : id)
                            : fmt::format("the flow has {} sources {}", meant.size(), printed);
    if (!all.empty()) problem += ": say which one with --source-id; there are " + all;
    return std::nullopt;
}

}  // namespace flowrelay::cli
