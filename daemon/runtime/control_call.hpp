// One request on the control socket, and the answers that all of its resources share.
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
    const Wanted& wanted;      ///< whether somebody still waits for the answer
    const Peer& peer;          ///< who asks
    std::string name;          ///< what the path names: an event, a source
    boost::json::object body;  ///< of a POST; empty without one
    bool plan = false;         ///< the answer tells what the change would do, and nothing changes

    // For the log, if it changes something: what was changed, and how it went.
    std::string target;
    std::string result;

    core::Relay& relay() const { return engine.relay(); }
    std::string query(std::string_view parameter) const;
    bool flag(std::string_view member) const;
    /// The text of a member of the body; empty when it is not there.
    std::string text(std::string_view member) const;
};

using ControlAnswer = boost::asio::awaitable<http::Response>;

/// {"code": …, "message": …}: the shape of every error of the control socket.
http::Response control_error(int status, std::string_view code, std::string_view message);
http::Response control_error(const core::Refusal& refusal);
/// Of the disk.
http::Response control_error(const Error& error);

http::Response json_response(const boost::json::object& object, int status = 200);

/// The refusal of a request that is not understood.
core::Refusal not_understood(std::string message);

/// JSON lines; `next`: where the next page begins, as the header field Flowrelay-Next.
http::Response lines_response(std::string lines, const std::string& next);

/// The `limit` of a page: 100 unless asked, 1 to 1000. Nothing: not a number, or out of range.
std::optional<std::size_t> page_limit(const ControlCall& call);

/// Where an earlier answer said that the next page begins; the beginning for an empty text.
core::Wish<QueueCursor> page_start(std::string_view after);

/// What a POST names in "ids": ids as texts, seqs as texts or whole numbers. An invalid when it is
/// anything else, or more than `most`.
core::Wish<std::vector<std::string>> read_ids(const boost::json::value& ids, std::size_t most);

/// The slot that `name` means; a not_found otherwise.
core::Wish<TokenId> find_source(const ControlCall& call, const std::string& name);

/// All slots that `name` means, in their order: a name can have a slot whose token is gone beside
/// the one in use. A not_found when there is none.
core::Wish<std::vector<TokenId>> find_sources(const ControlCall& call, const std::string& name);

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
ControlAnswer freeze_spool(ControlCall& call);
ControlAnswer thaw_spool(ControlCall& call);
ControlAnswer adopt_spool(ControlCall& call);
ControlAnswer book_lost(ControlCall& call);
ControlAnswer get_dead(ControlCall& call);
ControlAnswer get_dead_letter(ControlCall& call);
ControlAnswer replay_dead(ControlCall& call);
ControlAnswer drop_dead(ControlCall& call);

}  // namespace flowrelay::runtime
