// The start of a visit, and the authorization at the OAuth server.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "flowrelay/app/connect_settings.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/client/oauth.hpp"
#include "flowrelay/client/token_exchange.hpp"
#include "flowrelay/core/log_events.hpp"
#include "pages/site.hpp"

namespace flowrelay::pages {

namespace ev = core::log_events;

namespace {

constexpr std::size_t state_bytes = 32;

/// Returns the part after the last slash of a path.
std::string_view name_in(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

constexpr std::string_view too_many = "Too many users are here now. Try again in half an hour";

}  // namespace

std::optional<Invitation> Site::invitation_of(const Session& session) const {
    std::optional<Invitation> found;
    if (session.ticket.empty()) return found;
    ledger_.read([&](const Ledger& ledger) {
        const Invitation* const open = ledger.find_invitation(session.ticket, clock_.now().wall);
        if (open != nullptr) found = *open;
    });
    return found;
}

/// Revokes the access token of a session, if it has one.
void Site::give_back_access(Session& session) {
    if (session.access.empty()) return;
    const Secret access = std::exchange(session.access, Secret());
    const auto given =
        client::revoke_token(config_, config_.connect.client_id, client_secret_, access);
    if (!given) log_failure("give the access token back", session.source, {given.error().message});
}

/// Resets the session, except for its invitation.
void Site::start_over(Session& session) {
    give_back_access(session);
    session.pending.reset();
    session.flows.clear();
    session.done_title.clear();
    session.done_body.clear();
    session.note.clear();
    session.problem.clear();
}

http::Response Site::open_invitation(Call& call) {
    // Opening the link must not use it up: programs that preview links open it, too.
    const std::string hash = hash_of(name_in(call.path));
    std::optional<Invitation> open;
    ledger_.read([&](const Ledger& ledger) {
        const Invitation* const found = ledger.find_invitation(hash, clock_.now().wall);
        if (found != nullptr) open = *found;
    });
    if (!open) {
        return failed(404, "This invitation is not open",
                      {"It was used already, has expired or was withdrawn",
                       "Ask whoever sent it to you for another one"});
    }
    if (!begin_session(call)) return failed(503, "Too busy", {std::string(too_many)});
    Session& session = *call.session;
    start_over(session);
    session.purpose = Purpose::connect;
    session.ticket = hash;
    session.flow = open->flow;
    return go("/setup");
}

http::Response Site::open_setup(Call& call) {
    auto visit = read_setup(call.request.query, config_.destination.base_url);
    if (!visit) return failed(400, "This link can't be used", {visit.error().message});
    const auto invitation = call.session ? invitation_of(*call.session) : std::nullopt;
    if (!invitation && !open_to_.anybody()) {
        return failed(403, "You need an invitation",
                      {"Sources can be connected here by invitation only",
                       "Ask whoever runs this relay for one. Then open it in this browser"});
    }
    if (!begin_session(call)) return failed(503, "Too busy", {std::string(too_many)});
    Session& session = *call.session;
    start_over(session);
    session.purpose = Purpose::connect;
    if (!visit->flow.empty() || !invitation) session.flow = visit->flow;
    if (invitation && !invitation->flow.empty()) session.flow = invitation->flow;
    return html(200, "Connect a source",
                start_connect({server_, invitation ? invitation->name : "", url("/authorize")}));
}

http::Response Site::open_configure(Call& call) {
    auto visit = read_configure(call.request.query, config_.destination.base_url);
    if (!visit) return failed(400, "This link can't be used", {visit.error().message});
    return start_configure_page(call, std::move(*visit));
}

http::Response Site::open_link(Call& call) {
    std::optional<Visit> visit;
    ledger_.read([&](const Ledger& ledger) {
        const Link* const link = ledger.find_link(hash_of(name_in(call.path)));
        if (link != nullptr) visit = Visit{link->flow, link->source_id};
    });
    if (!visit) {
        return failed(404, "This link leads nowhere",
                      {"No source has it, or the source was removed here",
                       "Start from the sources of your flow"});
    }
    return start_configure_page(call, std::move(*visit));
}

http::Response Site::start_configure_page(Call& call, Visit visit) {
    if (!begin_session(call)) return failed(503, "Too busy", {std::string(too_many)});
    Session& session = *call.session;
    start_over(session);
    session.purpose = Purpose::configure;
    session.flow = std::move(visit.flow);
    session.source_id = std::move(visit.source_id);
    return html(200, "Settings of a source", start_configure({server_, "", url("/authorize")}));
}

http::Response Site::authorize(Call& call) {
    Session& session = *call.session;
    if (session.purpose == Purpose::none) return no_visit();
    client::AuthorizationRequest request;
    request.authorize_url = app::authorize_url(config_);
    request.client_id = config_.connect.client_id;
    request.redirect_uri = config_.connect.redirect_uri;
    request.scopes = config_.connect.scopes;
    request.state = client::random_word(state_bytes);
    request.verifier = client::random_word(state_bytes);
    http::Response response;
    response.status = 303;
    response.content_type = "text/html; charset=utf-8";
    response.fields.emplace_back("Location", client::authorization_url(request));
    session.pending = std::move(request);
    return response;
}

http::Response Site::take_callback(Call& call) {
    Session& session = *call.session;
    if (!session.pending) {
        return failed(400, "Start again",
                      {"This answer was used already, or this browser did not ask for one"},
                      session.purpose == Purpose::none ? std::string() : url("/authorize"));
    }
    const client::Grant grant = client::read_callback(call.request.query, *session.pending);
    if (grant.kind == client::Grant::Kind::foreign) {
        return failed(400, "Start again",
                      {"This is not the answer to the request of this browser: " + grant.text,
                       "Nothing was changed"},
                      url("/authorize"));
    }
    const client::AuthorizationRequest request = std::move(*session.pending);
    session.pending.reset();  // its state is valid once
    if (grant.kind == client::Grant::Kind::refused) {
        return failed(
            403, "It was not allowed",
            {fmt::format("{} did not allow it: {}", server_, grant.text), "Nothing was changed"},
            url("/authorize"));
    }
    auto exchange = client::exchange_code(config_, request, grant.text, client_secret_);
    if (!exchange.problem.empty()) {
        log_failure("get an access token", "", {exchange.problem});
        return failed(
            502, "No access",
            {exchange.wrong_code
                 ? server_ + " did not take the code: it has expired, or was used before"
             : exchange.failure == client::Failure::try_later
                 ? server_ + " does not answer as it should"
                 : server_ + " refuses this application: tell whoever runs this relay, who finds "
                             "the reason in the log",
             "Nothing was changed"},
            url("/authorize"));
    }
    give_back_access(session);  // from an earlier login
    session.access = std::move(exchange.grant.access_token);
    const std::string missing = client::missing_scopes(request.scopes, exchange.grant.scopes);
    if (!missing.empty()) {
        give_back_access(session);
        return failed(403, "More has to be allowed",
                      {fmt::format("{} did not grant {}, which is needed here", server_,
                                   app::printable(missing)),
                       "Nothing was changed"},
                      url("/authorize"));
    }
    renew_session(call);
    return after_access(call);
}

http::Response Site::after_access(Call& call) {
    Session& session = *call.session;
    if (session.purpose == Purpose::connect) return find_flows(call);
    std::vector<std::string> said;
    client::FlowApi api(config_, into(said));
    api.use(session.access);
    session.person = api.person();
    const Right right = right_to_configure(session, api, said);
    if (right == Right::granted) return go("/settings");
    if (right == Right::unknown) give_back_access(session);  // it was needed for this check only
    return not_open(session, right, std::move(said));
}

/// Finds the flows to which a source can be added, with the rights of the user and of the pages.
http::Response Site::find_flows(Call& call) {
    Session& session = *call.session;
    std::vector<std::string> said;
    client::FlowApi api(config_, into(said));
    api.use(session.access);
    session.person = api.person();
    session.flows.clear();
    if (session.flow.empty()) {
        if (auto flows = api.flows()) session.flows = std::move(*flows);
    } else if (auto flow = api.find_flow(session.flow)) {
        session.flows.push_back(std::move(*flow));
    }
    if (session.flows.empty()) {
        give_back_access(session);
        return failed(403, "No flow was found", std::move(said), url("/authorize"));
    }
    if (!invitation_of(session) && !open_to_.is_user(session.person)) {
        std::erase_if(session.flows, [this](const client::Flow& flow) {
            return !open_to_.is_organization_of(flow);
        });
    }
    if (session.flows.empty()) {
        give_back_access(session);
        log_.write(ev::pages_refused, {{"user", session.person.title()}, {"flow", session.flow}});
        return failed(
            403, "You need an invitation",
            {fmt::format("Sources can't be connected here by {}{}",
                         session.person.title().empty() ? "this user" : session.person.title(),
                         session.flow.empty() ? "" : " to this flow"),
             "Ask whoever runs this relay for an invitation"});
    }
    return go("/confirm");
}

}  // namespace flowrelay::pages
