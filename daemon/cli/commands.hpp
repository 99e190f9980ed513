// The commands of `flowrelay`. Each adds its options to the parser, and sets Context::run if the
// command line selects it.
#pragma once

#include <functional>
#include <string>

#include "cli/command_line.hpp"
#include "cli/exit_code.hpp"

namespace flowrelay::cli {

/// Settings that commands share. Lives as long as the parser.
struct Context {
    std::string ingest_socket = "/run/flowrelay/ingest.sock";
    std::string control_socket = "/run/flowrelay/control.sock";
    std::string invite_socket = "/run/flowrelay-connect/invite.sock";
    std::string socket;             ///< --socket: replaces the socket that the command uses
    std::function<ExitCode()> run;  ///< set by the selected command
    /// Whether output that can't be written is a failure. False for `send`, whose work is done
    /// then.
    bool output_counts = true;

    const std::string& ingest() const { return socket.empty() ? ingest_socket : socket; }
    const std::string& control() const { return socket.empty() ? control_socket : socket; }
};

void add_send_command(Command app, Context& context);
void add_status_command(Command app, Context& context);
void add_queue_commands(Command app, Context& context);
void add_explain_command(Command app, Context& context);
void add_dead_commands(Command app, Context& context);
void add_source_commands(Command app, Context& context);
void add_connect_command(Command source, Context& context);  ///< of `source`
void add_invite_command(Command source, Context& context);   ///< of `source`
void add_look_commands(Command source, Context& context);    ///< of `source`: show, check
void add_filter_command(Command source, Context& context);   ///< of `source`
void add_health_command(Command app, Context& context);
void add_top_command(Command app, Context& context);
void add_daemon_commands(Command app, Context& context);
void add_config_commands(Command app, Context& context);
void add_backup_command(Command app, Context& context);
void add_restore_command(Command app, Context& context);
void add_support_command(Command app, Context& context);
void add_spool_commands(Command app, Context& context);

}  // namespace flowrelay::cli
