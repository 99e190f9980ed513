// What the systemd unit of the daemon lets it see and write, and which keys of a configuration that
// breaks. Decides on text alone: the command asks systemd (cli/service_unit.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/app/config.hpp"

namespace flowrelay::app {

struct ServiceView {
    std::string unit;                   ///< "flowrelayd.service"
    std::string user;                   ///< User=; empty: root
    std::string group;                  ///< Group=; empty: that of the user
    std::vector<std::string> groups;    ///< SupplementaryGroups=
    std::vector<std::string> writable;  ///< StateDirectory=, RuntimeDirectory=, ReadWritePaths= ...
    std::vector<std::string> read_only;  ///< ReadOnlyPaths=
    std::vector<std::string> shown;      ///< BindPaths=, BindReadOnlyPaths=: seen although hidden
    std::string protect_system;          ///< "no", "yes", "full", "strict"
    std::string protect_home;            ///< "no", "yes", "read-only", "tmpfs"
    bool private_tmp = false;            ///< it has a /tmp and a /var/tmp of its own
    bool passes_ingest = false;          ///< flowrelayd.socket opens the socket for producers
    bool passes_control = false;         ///< flowrelayd-control.socket opens that for operators
};

/// The properties that parse_service_view reads, for `systemctl show --property=`.
std::string_view service_properties() noexcept;

/// Reads the output of `systemctl show UNIT`, a line `Name=value` each. Lines of other names count
/// for nothing.
ServiceView parse_service_view(std::string_view unit, std::string_view properties);

/// The keys whose files or directories the service cannot use although they are there: what hides
/// or protects them, and the line of a drop-in that changes it. `file` stands for the configuration
/// in the messages.
std::vector<ConfigProblem> check_for_service(const Config& config, const std::string& file,
                                             const ServiceView& service);

}  // namespace flowrelay::app
