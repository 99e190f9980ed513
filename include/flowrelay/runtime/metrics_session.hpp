// One connection of a monitoring system to the metrics listener: HTTP/1.1, GET /metrics.
#pragma once

#include <memory>

#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

/// `engine` and `context` outlive the session.
std::shared_ptr<Session> make_metrics_session(StreamSocket socket, Engine& engine,
                                              const ControlContext& context);

}  // namespace flowrelay::runtime
