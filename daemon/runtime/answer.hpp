// What producers are told, as text: the shapes of docs/protocol.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/engine.hpp"

namespace flowrelay::runtime {

/// One answer of the NDJSON protocol, without the line break:
/// {"status":"accepted","id":"…"} or {"status":"rejected","code":"…","message":"…",…}.
void append_answer(std::string& out, const Answer& answer);

/// The HTTP response for one event: 202 {"id":"…"}, or the API's error shape with the status that
/// the rejection has.
http::Response to_response(const Answer& answer);

/// The HTTP response for a batch, one answer for each event in its order: as lines, or as an array.
/// 202 if all were accepted, the rejection's own status if all were refused for the same reason,
/// 207 otherwise.
http::Response to_response(const std::vector<Answer>& answers, bool as_lines);

/// An event over ingest.max_event_size.
core::Rejection too_large(std::uint64_t limit);

/// No room for an event or a request that has come only in part: all producers together have begun
/// too many of them.
core::Rejection too_much_unfinished();

/// A batch waited in vain for memory for its answers.
core::Rejection no_room_for_answers();

/// The HTTP status of a rejection.
int http_status(core::RejectCode code) noexcept;

}  // namespace flowrelay::runtime
