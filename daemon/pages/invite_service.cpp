#include "pages/invite_service.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <string_view>

#include "flowrelay/client/daemon_call.hpp"
#include "flowrelay/client/json_members.hpp"
#include "flowrelay/client/oauth.hpp"
#include "flowrelay/core/log_events.hpp"

namespace flowrelay::pages {

namespace ev = core::log_events;
namespace json = boost::json;

namespace {

constexpr std::size_t ticket_bytes = 32;
constexpr std::size_t longest_flow = 512;
constexpr std::int64_t shortest_s = 60;
constexpr std::int64_t longest_s = 30LL * 86'400;

http::Response as_json(int status, const json::object& value) {
    http::Response response;
    response.status = status;
    response.body = json::serialize(value) + "\n";
    return response;
}

http::Response refused(int status, std::string_view code, std::string_view message) {
    return as_json(status, {{"code", code}, {"message", message}});
}

std::optional<json::object> read_object(std::string_view body) {
    boost::system::error_code error;
    json::value value = json::parse(body, error);
    if (error || !value.is_object()) return std::nullopt;
    return std::move(value.get_object());
}

}  // namespace

InviteService::InviteService(const app::Config& config, LedgerFile& ledger, Log& log,
                             const Clock& clock)
    : config_(config),
      ledger_(ledger),
      log_(log),
      clock_(clock),
      admin_group_(config.control.admin_group.empty()
                       ? std::nullopt
                       : runtime::find_group(config.control.admin_group)) {}

http::Response InviteService::answer(const http::RequestReader& reader, int connection) {
    const auto peer = runtime::peer_of(connection);
    const bool is_admin = peer && admin_group_ && peer->is_in(*admin_group_);
    if (!peer || (peer->uid != 0 && peer->uid != ::geteuid() && !is_admin)) {
        return refused(403, "not_permitted",
                       "only root and the members of control.admin_group may invite");
    }
    const http::Request& request = reader.request();
    if (request.path == "/v1/invitations" && request.method == "POST") {
        return invite(request.body, peer->uid);
    }
    if (request.path == "/v1/invitations" && request.method == "GET") return list();
    if (request.path == "/v1/invitations/revoke" && request.method == "POST") {
        return revoke(request.body, peer->uid);
    }
    return refused(404, "not_found", "there is no such resource");
}

http::Response InviteService::invite(std::string_view body, uid_t uid) {
    const auto wanted = read_object(body);
    if (!wanted) return refused(400, "invalid", "the body has to be one JSON object");
    const std::string name = client::text_of(*wanted, "name");
    const std::string flow = client::text_of(*wanted, "flow");
    const json::value* seconds = wanted->if_contains("expires_s");
    if (seconds == nullptr || !seconds->is_int64() || seconds->get_int64() < shortest_s ||
        seconds->get_int64() > longest_s) {
        return refused(400, "invalid", "an invitation can be open for 1m to 30d");
    }
    if (flow.size() > longest_flow) return refused(400, "invalid", "the flow is too long");
    // Ask the daemon now: a refusal at the end of the visit would come too late.
    const auto reply = client::call_daemon(
        config_.control.socket, "POST", "/v1/sources",
        json::serialize(json::object{{"name", name}, {"plan", true}}), client::patience);
    if (!reply) return refused(503, "unavailable", reply.error().message);
    if (!reply->ok()) return refused(reply->code, "refused", client::message_of(*reply));
    const std::string ticket = client::random_word(ticket_bytes);
    const WallTime now = clock_.now().wall;
    bool has_room = false;
    const auto saved = ledger_.change([&](Ledger& ledger) {
        has_room =
            ledger.invite({hash_of(ticket), name, flow, now + Seconds(seconds->get_int64())}, now);
        return has_room;
    });
    if (!saved) return refused(503, "storage_failed", saved.error().message);
    if (!has_room) {
        return refused(409, "too_many",
                       "1000 invitations are open: withdraw some with `source invite --revoke`");
    }
    log_.write(ev::pages_invited,
               {{"action", "invite"}, {"source", name}, {"flow", flow}, {"uid", uid}});
    return as_json(201, {{"name", name},
                         {"url", fmt::format("{}/invite/{}", config_.pages.public_url, ticket)},
                         {"expires", format_time(now + Seconds(seconds->get_int64()))}});
}

http::Response InviteService::list() const {
    http::Response response;
    const WallTime now = clock_.now().wall;
    ledger_.read([&](const Ledger& ledger) {
        for (const Invitation& each : ledger.open_invitations(now)) {
            json::object shown{{"name", each.name}, {"expires", format_time(each.expires)}};
            if (!each.flow.empty()) shown["flow"] = each.flow;
            response.body += json::serialize(shown) + "\n";
        }
    });
    return response;
}

http::Response InviteService::revoke(std::string_view body, uid_t uid) {
    const auto wanted = read_object(body);
    if (!wanted) return refused(400, "invalid", "the body has to be one JSON object");
    const std::string name = client::text_of(*wanted, "name");
    bool was_open = false;
    const auto saved = ledger_.change([&](Ledger& ledger) {
        was_open = ledger.revoke(name, clock_.now().wall);
        return was_open;
    });
    if (!saved) return refused(503, "storage_failed", saved.error().message);
    if (!was_open) {
        return refused(404, "not_found", fmt::format("no invitation for {} is open", name));
    }
    log_.write(ev::pages_invited,
               {{"action", "revoke"}, {"source", name}, {"flow", ""}, {"uid", uid}});
    return as_json(200, {{"name", name}});
}

}  // namespace flowrelay::pages
