// The requests of the control socket (docs/protocol.md).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string_view>
#include <vector>

#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "flowrelay/runtime/peer.hpp"

namespace flowrelay::runtime {

/// Whether a change can be planned: `{"plan": true}` only reports what it would do.
enum class Plans { no, yes };

/// One resource of the control socket.
struct ControlRoute {
    std::string_view method;
    std::string_view path;    ///< "*" stands for one name
    std::string_view change;  ///< name in the log; empty if it changes nothing
    Plans plans = Plans::no;
};

/// Returns all resources.
std::vector<ControlRoute> control_routes();

/// Returns whether the peer may make changes: root, the daemon's own user and the admin group.
/// Every user who can connect may read.
bool may_change(const Peer& peer, const ControlContext& context);

/// Answers one request. Logs changes with the user who made them.
/// Searches end early when `wanted` returns false.
boost::asio::awaitable<http::Response> answer_control(const http::RequestReader& reader,
                                                      Engine& engine, const ControlContext& context,
                                                      const Peer& peer,
                                                      const Wanted& wanted = always_wanted);

}  // namespace flowrelay::runtime
