// One operator's connection to the control socket: HTTP/1.1 with JSON (docs/protocol.md).
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/reload_result.hpp"
#include "flowrelay/runtime/server.hpp"
#include "flowrelay/runtime/storage_freeze.hpp"

namespace flowrelay::runtime {

/// What the answers tell beside the engine's own state.
struct ControlContext {
    std::string version;
    std::string base_url;
    std::uint64_t spool_max_bytes = 0;
    /// Bytes that the file system of the spool has free.
    std::function<std::uint64_t()> available_bytes = [] { return std::uint64_t{1} << 60; };
    MonoTime started{};
    std::function<std::size_t()> connections;  ///< to the destination
    std::function<std::size_t()> ingest_connections;
    std::function<bool()> stopping;
    std::string state_directory;
    std::string config_file;
    std::shared_ptr<StorageFreeze> freeze = std::make_shared<StorageFreeze>();
    /// Notes that the spool, which came from another machine, belongs to this one now.
    std::function<Result<void>()> adopt;
    Reload reload;
    bool reload_failed = false;                   ///< the last reload was refused
    std::optional<WallTime> certificate_expires;  ///< of the client certificate, if there is one
    /// Whose members may change something, beside root and the daemon's own user.
    std::optional<gid_t> admin_group;
    Log* log = nullptr;
};

/// `engine` and `context` outlive the session.
std::shared_ptr<Session> make_control_session(StreamSocket socket, Engine& engine,
                                              const ControlContext& context);

/// Whether the peer of this connection may make changes.
bool may_change_over(int fd, const ControlContext& context);

/// What a connection is sent for which there is no room: a whole response, after which it ends.
std::string busy_control_answer();

}  // namespace flowrelay::runtime
