#include "control_call.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <utility>

#include "flowrelay/base/number.hpp"
#include "flowrelay/storage/event_queue.hpp"

namespace flowrelay::runtime {
namespace json = boost::json;

core::Refusal not_understood(std::string message) {
    return {core::Refusal::Code::invalid, std::move(message)};
}

std::string ControlCall::query(std::string_view parameter) const {
    return http::query_parameter(reader.request().query, parameter);
}

bool ControlCall::flag(std::string_view member) const {
    const json::value* value = body.if_contains(member);
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::string ControlCall::text(std::string_view member) const {
    const json::value* value = body.if_contains(member);
    if (value == nullptr || !value->is_string()) return {};
    return std::string(value->get_string());
}

http::Response json_response(const json::object& object, int status) {
    http::Response response;
    response.status = status;
    response.body = json::serialize(object);
    return response;
}

http::Response control_error(int status, std::string_view code, std::string_view message) {
    return json_response({{"code", code}, {"message", message}}, status);
}

http::Response control_error(const core::Refusal& refusal) {
    switch (refusal.code) {
        case core::Refusal::Code::not_found:
            return control_error(404, "not_found", refusal.message);
        case core::Refusal::Code::conflict:
            return control_error(409, "conflict", refusal.message);
        case core::Refusal::Code::invalid:
            return control_error(400, "invalid", refusal.message);
    }
    return control_error(500, "internal", refusal.message);
}

http::Response control_error(const Error& error) {
    const bool full = error.code == storage::QueueErrc::full ||
                      error.code == boost::system::errc::no_space_on_device;
    if (full) return control_error(503, "disk_full", error.message);
    return control_error(503, "storage_failed", error.message);
}

http::Response lines_response(std::string lines, const std::string& next) {
    http::Response response;
    response.content_type = "application/x-ndjson";
    response.body = std::move(lines);
    if (!next.empty()) response.fields.emplace_back("Flowrelay-Next", next);
    return response;
}

std::optional<std::size_t> page_limit(const ControlCall& call) {
    constexpr std::size_t usual = 100;
    constexpr std::size_t most = 1000;
    const std::string text = call.query("limit");
    if (text.empty()) return usual;
    const auto limit = parse_number<std::size_t>(text);
    return limit && *limit >= 1 && *limit <= most ? limit : std::nullopt;
}

core::OrRefusal<QueueCursor> page_start(std::string_view after) {
    if (after.empty()) return QueueCursor{};
    if (const auto cursor = parse_queue_cursor(after)) return *cursor;
    return not_understood("\"after\" is not what an earlier answer gave as next");
}

core::OrRefusal<std::vector<std::string>> read_ids(const json::value& ids, std::size_t most) {
    if (!ids.is_array() || ids.get_array().size() > most) {
        return not_understood(fmt::format("\"ids\" has to be an array of at most {} ids", most));
    }
    std::vector<std::string> read;
    for (const json::value& id : ids.get_array()) {
        if (id.is_string()) {
            read.emplace_back(id.get_string());
        } else if (id.is_int64() && id.get_int64() > 0) {
            read.push_back(std::to_string(id.get_int64()));
        } else {
            return not_understood("each of \"ids\" has to be a string (an id) or a number (a seq)");
        }
    }
    return read;
}

namespace {

core::Refusal no_such_source(const ControlCall& call, const std::string& name) {
    return {core::Refusal::Code::not_found,
            call.relay().tokens().no_such_source(name, "`source list` shows them")};
}

}  // namespace

core::OrRefusal<std::vector<TokenId>> find_sources(const ControlCall& call,
                                                   const std::string& name) {
    auto found = call.relay().tokens().find_all(name);
    if (!found.empty()) return found;
    return no_such_source(call, name);
}

core::OrRefusal<TokenId> find_source(const ControlCall& call, const std::string& name) {
    const auto found = call.relay().tokens().find(name);
    if (found) return *found;
    return no_such_source(call, name);
}

}  // namespace flowrelay::runtime
