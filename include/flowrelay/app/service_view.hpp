// Determines what the daemon's systemd unit lets it see and write, and which configuration keys
// conflict with that. Works on text only; the command queries systemd (cli/service_unit.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

struct ServiceView {
    std::string unit;                   ///< "flowrelayd.service"
    std::string user;                   ///< User=; empty: root
    std::string group;                  ///< Group=; empty: the user's group
    std::vector<std::string> groups;    ///< SupplementaryGroups=
    std::vector<std::string> writable;  ///< StateDirectory=, RuntimeDirectory=, ReadWritePaths= ...
    std::vector<std::string> read_only;  ///< ReadOnlyPaths=
    /// BindPaths=, BindReadOnlyPaths=: visible although hidden otherwise.
    std::vector<std::string> shown;
    std::string protect_system;  ///< "no", "yes", "full", "strict"
    std::string protect_home;    ///< "no", "yes", "read-only", "tmpfs"
    bool private_tmp = false;    ///< the service has its own /tmp and /var/tmp
    bool passes_ingest = false;  ///< flowrelayd.socket opens the socket for producers
    /// Flowrelayd-control.socket opens the socket for operators.
    bool passes_control = false;
};

/// Returns the properties that parse_service_view() needs, for `systemctl show --property=`.
std::string_view service_properties() noexcept;

/// Parses the output of `systemctl show UNIT`, one `Name=value` per line. Ignores unknown names.
ServiceView parse_service_view(std::string_view unit, std::string_view properties);

/// Returns the keys whose files or directories exist but can't be used by the service. Each message
/// says what hides or protects them, and which line of a drop-in changes that. `file` is the name
/// of the configuration file in the messages.
std::vector<ConfigProblem> check_for_service(const Config& config, const std::string& file,
                                             const ServiceView& service);

}  // namespace flowrelay::app
