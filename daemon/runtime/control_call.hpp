// One request on the control socket, and the answers that all resources share.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowrelay/core/token_table.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "flowrelay/runtime/control_session.hpp"
#include "flowrelay/runtime/engine.hpp"
#include "flowrelay/runtime/engine_operations.hpp"
#include "flowrelay/runtime/peer.hpp"

namespace flowrelay::runtime {

struct ControlCall {
    const http::RequestReader& reader;
    Engine& engine;
    const ControlContext& context;
    const Wanted& wanted;      ///< whether the client still waits for the answer
    const Peer& peer;          ///< the client
    std::string name;          ///< the event or source in the path
    boost::json::object body;  ///< body of a POST; empty without one
    bool plan = false;         ///< only report what the change would do

    // For the log, if the request changes something: what was changed, and the outcome.
    std::string target;
    std::string result;

    core::Relay& relay() const { return engine.relay(); }
    std::string query(std::string_view parameter) const;
    bool flag(std::string_view member) const;
    /// Returns a string member of the body; empty if there is none.
    std::string text(std::string_view member) const;
};

using ControlAnswer = boost::asio::awaitable<http::Response>;

/// Returns {"code": …, "message": …}, the format of all errors of the control socket.
http::Response control_error(int status, std::string_view code, std::string_view message);
http::Response control_error(const core::Refusal& refusal);
/// Returns the answer to an error of the disk.
http::Response control_error(const Error& error);

http::Response json_response(const boost::json::object& object, int status = 200);

/// Returns the refusal of an invalid request.
core::Refusal not_understood(std::string message);

/// Returns a page of JSON lines. `next` is where the next page begins; it is sent in the header
/// field Flowrelay-Next.
http::Response lines_response(std::string lines, const std::string& next);

/// Returns the `limit` of a page, 1 to 1000, by default 100. Nothing: it is not a number, or out of
/// range.
std::optional<std::size_t> page_limit(const ControlCall& call);

/// Parses where a page begins, as given by Flowrelay-Next of an earlier answer. Empty text: at the
/// beginning.
core::OrRefusal<QueueCursor> page_start(std::string_view after);

/// Reads "ids" of a POST: ids as strings, seqs as strings or whole numbers. Refuses it as `invalid`
/// if it is anything else, or has more than `most` entries.
core::OrRefusal<std::vector<std::string>> read_ids(const boost::json::value& ids, std::size_t most);

/// Finds the slot called `name`. Refuses with `not_found` if there is none.
core::OrRefusal<TokenId> find_source(const ControlCall& call, const std::string& name);

/// Finds all slots called `name`, in order: besides the one in use, a name can have a slot whose
/// token is gone. Refuses with `not_found` if there is none.
core::OrRefusal<std::vector<TokenId>> find_sources(const ControlCall& call,
                                                   const std::string& name);

// The resources (docs/protocol.md).
ControlAnswer get_status(ControlCall& call);
ControlAnswer get_metrics(ControlCall& call);
ControlAnswer reload_config(ControlCall& call);
ControlAnswer get_queue(ControlCall& call);
ControlAnswer get_event(ControlCall& call);
ControlAnswer retry_events(ControlCall& call);
ControlAnswer drop_events(ControlCall& call);
ControlAnswer get_explanation(ControlCall& call);
ControlAnswer get_sources(ControlCall& call);
ControlAnswer get_source(ControlCall& call);
ControlAnswer check_source(ControlCall& call);
ControlAnswer add_source(ControlCall& call);
ControlAnswer pause_source(ControlCall& call);
ControlAnswer resume_source(ControlCall& call);
ControlAnswer enable_source(ControlCall& call);
ControlAnswer rotate_source(ControlCall& call);
ControlAnswer remove_source(ControlCall& call);
ControlAnswer filter_source(ControlCall& call);
ControlAnswer freeze_spool(ControlCall& call);
ControlAnswer thaw_spool(ControlCall& call);
ControlAnswer adopt_spool(ControlCall& call);
ControlAnswer book_lost(ControlCall& call);
ControlAnswer get_dead(ControlCall& call);
ControlAnswer get_dead_letter(ControlCall& call);
ControlAnswer replay_dead(ControlCall& call);
ControlAnswer drop_dead(ControlCall& call);

}  // namespace flowrelay::runtime
