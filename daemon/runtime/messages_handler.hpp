// The HTTP API for producers: POST /messages and /v1/messages, the same call as Flowdock's own.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <functional>

#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/ingest_session.hpp"

namespace flowrelay::runtime {

/// The most events that a batch may have.
inline constexpr std::size_t max_batch_events = 20'000;

/// Answers after the commit. `engine`, `by` and `answers` outlive the call. `over_tcp`: the request
/// came to a port that web pages can reach. `answers`: where the answer counts until it is read.
/// `wanted`: whether somebody still waits for it.
boost::asio::awaitable<http::Response> handle_messages(const http::RequestReader& request,
                                                       Engine& engine, IngestLimits limits,
                                                       const core::Submitter& by, bool over_tcp,
                                                       IngestBudget::Share& answers,
                                                       const std::function<bool()>& wanted);

}  // namespace flowrelay::runtime
