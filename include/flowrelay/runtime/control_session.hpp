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

/// What the control socket's answers need besides the engine's state.
struct ControlContext {
    std::string version;
    std::string base_url;
    std::uint64_t spool_max_bytes = 0;
    /// Returns the free bytes of the spool's file system.
    std::function<std::uint64_t()> available_bytes = [] { return std::uint64_t{1} << 60; };
    MonoTime started{};
    std::function<std::size_t()> connections;  ///< open connections to the destination
    std::function<std::size_t()> ingest_connections;
    std::function<bool()> stopping;
    std::string state_directory;
    std::string config_file;
    std::shared_ptr<StorageFreeze> freeze = std::make_shared<StorageFreeze>();
    /// Records that a spool that came from another machine now belongs to this one.
    std::function<Result<void>()> adopt;
    Reload reload;
    bool reload_failed = false;  ///< the last reload was refused
    /// Expiry of the client certificate, if one is configured.
    std::optional<WallTime> certificate_expires;
    /// Group whose members can make changes, besides root and the daemon's own user.
    std::optional<gid_t> admin_group;
    Log* log = nullptr;
};

/// Creates a session for one control connection. `engine` and `context` outlive it.
std::shared_ptr<Session> make_control_session(StreamSocket socket, Engine& engine,
                                              const ControlContext& context);

/// Returns whether the peer of this connection may make changes.
bool may_change_over(int fd, const ControlContext& context);

/// Returns the complete HTTP response to send to a connection that is closed because there are too
/// many.
std::string busy_control_answer();

}  // namespace flowrelay::runtime
