// Serves HTTP/1.1 on one connection, for ingest, control and metrics: reads requests one after the
// other, has each answered, and keeps the connection open as long as both sides want it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "flowrelay/base/time.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/ingest_budget.hpp"
#include "flowrelay/runtime/server.hpp"

namespace flowrelay::runtime {

/// Returns a response in the API's error format: {"message": "…"}.
http::Response error_response(int status, std::string_view message);

/// Answers one complete request. The handler may use `request` until it returns.
using HttpHandler =
    std::function<boost::asio::awaitable<http::Response>(const http::RequestReader& request)>;

/// Returns the answer to an invalid or incomplete request; `problem` says what is wrong with it.
using HttpRefusal =
    std::function<http::Response(http::ReadStatus status, std::string_view problem)>;

/// The error to report for an invalid or incomplete request.
struct HttpProblem {
    int status = 400;  ///< 400, 413 or 431
    std::string message;
};
HttpProblem http_problem(http::ReadStatus status, std::string_view problem);

/// The default HttpRefusal: returns the status and message of http_problem().
http::Response refuse_plainly(http::ReadStatus status, std::string_view problem);

struct HttpLimits {
    http::RequestLimits request;
    Milliseconds stall_timeout{60'000};  ///< in the middle of a request
    Milliseconds idle_timeout{300'000};  ///< between two requests
};

/// How to serve a connection.
struct HttpService {
    HttpHandler handler;
    HttpRefusal refuse = refuse_plainly;
    /// Budget in which a request's body counts while it is read; nullptr: none.
    IngestBudget::Share* share = nullptr;
    /// Budget in which responses count until they are written; nullptr: none.
    IngestBudget::Share* answers = nullptr;
    /// Called if the connection ends in the middle of a request; may be empty.
    std::function<void()> cut_short = {};
    /// Set to whether the client has no request in progress; nullptr: not needed.
    bool* idle = nullptr;
    /// Returns the answer when `share` has no room for a body.
    std::function<http::Response()> no_room = {};
};

/// Serves requests until the connection should be closed. `first` is input that was already read.
/// The references must stay valid until it returns.
boost::asio::awaitable<void> serve_http(StreamSocket& socket, MonoTime& deadline, std::string first,
                                        HttpLimits limits, const HttpService& service);

/// Closes the connection for writing, and reads what the peer still sends for a while: closing with
/// unread input would reset the connection and could lose the answer (RFC 9112, section 9.6).
boost::asio::awaitable<void> linger(StreamSocket& socket, MonoTime& deadline);

}  // namespace flowrelay::runtime
