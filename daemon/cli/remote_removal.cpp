#include "cli/remote_removal.hpp"

#include <fmt/format.h>

#include "cli/complain.hpp"
#include "cli/control_client.hpp"
#include "cli/operator.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::cli {

RemoteRemoval::RemoteRemoval(const Context& context, const std::string& name,
                             const RemoteOptions& options, const app::Config& config,
                             LineInput& input, const HeldSignals& signals)
    : context_(context), name_(name), options_(options), api_(config, input, signals) {}

ExitCode RemoteRemoval::prepare() {
    Operator daemon(context_);
    const std::string target = "/v1/sources/" + url_encode(name_) + "/remove";
    return daemon.post(target, {{"plan", true}}) ? ExitCode::ok : daemon.exit_code();
}

ExitCode RemoteRemoval::work(const Secret& access) {
    api_.use(access);
    const auto flow = api_.find_flow(options_.flow);
    if (!flow) return api_.exit_code();
    const auto sources = flow->sources.empty() ? std::nullopt : api_.sources(flow->sources);
    if (!sources) {
        complain(fmt::format("the sources of {} can't be listed, so nothing was removed",
                             flow->title()));
        return ExitCode::try_later;
    }
    std::string problem;
    const auto source = choose_source(*sources, options_.source_id,
                                      options_.title.empty() ? name_ : options_.title, problem);
    if (!source) {
        complain(fmt::format("{}; nothing was removed", problem));
        return ExitCode::rejected;
    }
    const auto gone = api_.call("DELETE", flow->sources + "/" + url_encode(source->id), {},
                                "when asked to remove the source");
    if (!gone) {
        complain("nothing was removed here");
        return api_.exit_code();
    }
    note(fmt::format("Source {} ({}) was removed from {}.", source->id, source->name,
                     flow->title()));
    return ExitCode::ok;
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
