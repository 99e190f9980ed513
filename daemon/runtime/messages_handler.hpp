// The HTTP API for producers: POST /messages and /v1/messages, the same call as in Flowdock's API.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>

#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/ingest_session.hpp"

namespace flowrelay::runtime {

/// Maximum number of events in a batch.
inline constexpr std::size_t max_batch_events = 20'000;

/// Submits the events of a request and returns the answer after the commit. `engine`, `by` and
/// `answers` outlive the call. `over_tcp`: the request came to a port that web pages can reach.
/// `answers`: budget in which the answer counts until it is read. `wanted`: returns whether the
/// client still waits.
boost::asio::awaitable<http::Response> handle_messages(const http::RequestReader& request,
                                                       Engine& engine, IngestLimits limits,
                                                       const core::Submitter& by, bool over_tcp,
                                                       IngestBudget::Share& answers,
                                                       const std::function<bool()>& wanted);

}  // namespace flowrelay::runtime
