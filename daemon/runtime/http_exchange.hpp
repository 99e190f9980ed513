// The HTTP/1.1 protocol on one connection, for ingest and for control: reads requests one after
// the other, has each answered, keeps the connection as long as both sides want it.
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

/// A response in the error shape of the API: {"message": "…"}.
http::Response error_response(int status, std::string_view message);

/// Answers one complete request. The reader is the handler's until it returns.
using HttpHandler =
    std::function<boost::asio::awaitable<http::Response>(const http::RequestReader& request)>;

/// Answers what is no complete request; `problem` says what is wrong with it.
using HttpRefusal =
    std::function<http::Response(http::ReadStatus status, std::string_view problem)>;

/// What to say of what is no complete request.
struct HttpProblem {
    int status = 400;  ///< 400, 413 or 431
    std::string message;
};
HttpProblem http_problem(http::ReadStatus status, std::string_view problem);

/// The usual answer: the status and the message of http_problem().
http::Response refuse_plainly(http::ReadStatus status, std::string_view problem);

struct HttpLimits {
    http::RequestLimits request;
    Milliseconds stall_timeout{60'000};  ///< in the middle of a request
    Milliseconds idle_timeout{300'000};  ///< between two requests
};

/// What a connection is served with.
struct HttpService {
    HttpHandler handler;
    HttpRefusal refuse = refuse_plainly;
    /// Where the body of a request counts while it is read; nullptr: it does not count.
    IngestBudget::Share* share = nullptr;
    /// Where answers count until they are written; nullptr: they do not count.
    IngestBudget::Share* answers = nullptr;
    /// Called when a request has begun and the connection ends before it is whole; may be empty.
    std::function<void()> cut_short = {};
    /// Is true while the client has nothing to ask; nullptr: nobody wants to know.
    bool* idle = nullptr;
    /// The answer where the share has no room for a body.
    std::function<http::Response()> no_room = {};
};

/// `first`: what was read already. Returns when the connection is to be closed. The references
/// belong to the session, which waits for it.
boost::asio::awaitable<void> serve_http(StreamSocket& socket, MonoTime& deadline, std::string first,
                                        HttpLimits limits, const HttpService& service);

/// Tells the peer that nothing more comes, and reads what it still sends for a while: closing with
/// unread bytes would reset the connection and take the answer with it (RFC 9112, section 9.6).
boost::asio::awaitable<void> linger(StreamSocket& socket, MonoTime& deadline);

}  // namespace flowrelay::runtime
