// What the command knows of the daemon's systemd unit: what it hides and protects, and its user.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flowrelay/app/config.hpp"
#include "flowrelay/app/service_view.hpp"

namespace flowrelay::cli {

/// Asks systemd about a unit. Returns nothing if there is no such unit, or systemd does not run.
std::optional<app::ServiceView> ask_for_service(const std::string& unit);

/// Changes this process permanently to the user, with the user's groups and those of the unit.
/// Returns why that failed, or "".
std::string become(const std::string& user, const app::ServiceView& service);

/// Returns problems of a start that only a process of the unit's user can find: directories that it
/// can't write to, groups to which it can't give a socket.
std::vector<app::ConfigProblem> check_as_this_user(const app::Config& config,
                                                   const std::string& file,
                                                   const app::ServiceView& service,
                                                   const std::string& user);

}  // namespace flowrelay::cli
