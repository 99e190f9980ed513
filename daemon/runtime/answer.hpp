// Formats the answers to producers (docs/protocol.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::runtime {

/// Appends one answer of the NDJSON protocol, without the line break:
/// {"status":"accepted","id":"…"} or {"status":"rejected","code":"…","message":"…",…}.
void append_answer(std::string& out, const Answer& answer);

/// Returns the HTTP response for one event: 202 {"id":"…"}, or an error in the API's format with
/// the rejection's status.
http::Response to_response(const Answer& answer);

/// Returns the HTTP response for a batch, with one answer per event, in order, as lines or as an
/// array. The status is 202 if all were accepted, the rejection's status if all were rejected for
/// the same reason, and 207 otherwise.
http::Response to_response(const std::vector<Answer>& answers, bool as_lines);

/// Returns the rejection of an event larger than ingest.max_event_size.
core::Rejection too_large(std::uint64_t limit);

/// Returns the rejection of an event or request received only in part, because the unfinished input
/// of all producers together needs too much memory.
core::Rejection too_much_unfinished();

/// Returns the rejection of a batch for whose answers no memory became free in time.
core::Rejection no_room_for_answers();

/// Returns the HTTP status of a rejection.
int http_status(core::RejectCode code) noexcept;

}  // namespace flowrelay::runtime
