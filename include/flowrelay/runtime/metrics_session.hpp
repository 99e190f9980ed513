// One connection of a monitoring system to the metrics listener: HTTP/1.1, GET /metrics.
#pragma once

#include <memory>

#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

/// Creates a session for one metrics connection. `engine` and `context` outlive it.
std::shared_ptr<Session> make_metrics_session(StreamSocket socket, Engine& engine,
                                              const ControlContext& context);

}  // namespace flowrelay::runtime
