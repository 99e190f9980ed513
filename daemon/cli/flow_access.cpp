#include "cli/flow_access.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "cli/complain.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/number.hpp"

namespace flowrelay::cli {

FlowAccess::FlowAccess(const app::Config& config, LineInput& input, const HeldSignals& signals)
    : FlowApi(config, complain), input_(input), signals_(signals) {}

std::optional<Flow> FlowAccess::find_flow(const std::string& wanted) {
    return wanted.empty() ? choose_flow() : FlowApi::find_flow(wanted);
}

std::optional<Flow> FlowAccess::choose_flow() {
    auto found = flows();
    if (!found) return std::nullopt;
    std::string list = "Flows:\n";
    for (std::size_t i = 0; i < found->size(); ++i) {
        const Flow& flow = (*found)[i];
        const char* const state = flow.disabled  ? "  (disabled)"
                                  : !flow.joined ? "  (not joined)"
                                                 : "";
        list += fmt::format("  {:>3}  {}{}{}\n", i + 1, flow.title(),
                            flow.organization.empty() ? "" : ", " + flow.organization, state);
    }
    note(list);
    while (true) {
        note(fmt::format("Which one? 1 to {}, then Enter:", found->size()));
        const auto line = input_.wait_for_line(signals_.descriptor());
        if (!line) {
            fail(client::Failure::rejected, "no flow was chosen; nothing was changed");
            return std::nullopt;
        }
        const auto number = parse_number<std::uint64_t>(ascii::trim(*line, " \t\r"));
        if (number && *number >= 1 && *number <= found->size()) {
            return std::move((*found)[*number - 1]);
        }
    }
}

}  // namespace flowrelay::cli
