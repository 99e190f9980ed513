// The requests of the control socket; docs/protocol.md describes them.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/peer.hpp"

namespace flowrelay::runtime {

/// Who may connect may look. Changing is for root, the daemon's own user and the admin group.
bool may_change(const Peer& peer, const ControlContext& context);

/// Answers one request; a change is logged with who made it.
boost::asio::awaitable<http::Response> answer_control(const http::RequestReader& reader,
                                                      Engine& engine, const ControlContext& context,
                                                      const Peer& peer);

}  // namespace flowrelay::runtime
