// The daemon's systemd unit, as the command sees it: what it hides and protects, and as whom it
// runs.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/service_view.hpp"

namespace flowrelay::cli {

/// Asks systemd about a unit. Nothing when there is no such unit, or systemd does not run here.
std::optional<app::ServiceView> ask_for_service(const std::string& unit);

/// Makes this process one of the user, with the user's groups and those of the unit, for good.
/// Returns why it can't be done, or "".
std::string become(const std::string& user, const app::ServiceView& service);

/// What a start of the unit would fail on and only a process of its user can find out: directories
/// that it can't write to, groups to which it can't give a socket.
std::vector<app::ConfigProblem> check_as_this_user(const app::Config& config,
                                                   const std::string& file,
                                                   const app::ServiceView& service,
                                                   const std::string& user);

}  // namespace flowrelay::cli
