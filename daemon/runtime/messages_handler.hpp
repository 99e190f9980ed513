// The HTTP API for producers: POST /messages and /v1/messages, the same call as Flowdock's own.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/ingest_session.hpp"

namespace flowrelay::runtime {

/// Answers after the commit. `engine` and `by` outlive the call.
boost::asio::awaitable<http::Response> handle_messages(const http::RequestReader& request,
                                                       Engine& engine, IngestLimits limits,
                                                       const core::Submitter& by);

}  // namespace flowrelay::runtime
