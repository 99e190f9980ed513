// The HTTP/1.1 protocol on one connection, for ingest and for control: reads requests one after
// the other, has each answered, keeps the connection as long as both sides want it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "flowrelay/base/time.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

/// Answers one complete request. The reader is the handler's until it returns.
using HttpHandler =
    std::function<boost::asio::awaitable<http::Response>(const http::RequestReader& request)>;

struct HttpLimits {
    http::RequestLimits request;
    Milliseconds stall_timeout{60'000};  ///< in the middle of a request
    Milliseconds idle_timeout{300'000};  ///< between two requests
};

/// `first`: what was read already. Returns when the connection is to be closed. The references
/// belong to the session, which waits for it.
boost::asio::awaitable<void> serve_http(StreamSocket& socket, MonoTime& deadline, std::string first,
                                        HttpLimits limits, const HttpHandler& handler);

/// A response in the error shape of the API: {"message": "…"}.
http::Response error_response(int status, std::string_view message);

}  // namespace flowrelay::runtime
