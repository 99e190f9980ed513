// Creates a source after the user has confirmed.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/base/number.hpp"
#include "flowrelay/base/utf8.hpp"
#include "flowrelay/client/oauth.hpp"
#include "flowrelay/core/log_events.hpp"
#include "pages/site.hpp"

namespace flowrelay::pages {

namespace ev = core::log_events;
namespace json = boost::json;

namespace {

constexpr std::size_t link_bytes = 32;
constexpr std::size_t longest_title = 200;

std::string typed(const std::string& text) {
    return repair_utf8(ascii::trim(text, " \t\r\n"));
}

}  // namespace

http::Response Site::confirm_page(Call& call, int status, std::size_t chosen,
                                  const std::string& name, const std::string& title,
                                  const std::string& problem) {
    Session& session = *call.session;
    ConfirmText text;
    text.action = url("/connect");
    text.csrf = session.csrf;
    text.flows = session.flows;
    text.chosen = chosen;
    text.user = session.person.title();
    const auto invitation = invitation_of(session);
    text.is_name_fixed = invitation.has_value();
    text.name = invitation ? invitation->name : name;
    text.title = title;
    text.problem = problem;
    return html(status, "Connect this source?", confirm(text));
}

http::Response Site::show_confirm(Call& call) {
    const Session& session = *call.session;
    if (!session.done_title.empty() && session.access.empty()) return go("/done");
    if (session.purpose != Purpose::connect || session.access.empty()) return no_visit();
    return confirm_page(call, 200, 0, "", "", "");
}

http::Response Site::show_done(Call& call) {
    const Session& session = *call.session;
    if (session.done_title.empty()) return no_visit();
    return html(200, session.done_title, session.done_body);
}

http::Response Site::connect(Call& call) {
    Session& session = *call.session;
    if (session.access.empty() && !session.done_title.empty()) return go("/done");
    if (session.purpose != Purpose::connect || session.access.empty()) return no_visit();
    const auto number = parse_number<std::size_t>(call.field("flow"));
    const std::string title = typed(call.field("title"));
    std::string name = typed(call.field("name"));
    if (!number || *number >= session.flows.size()) {
        return confirm_page(call, 400, 0, name, title, "choose a flow");
    }
    const client::Flow flow = session.flows[*number];
    std::string problem = client::refusal_of(flow);
    if (problem.empty() && flow.sources.empty()) problem = flow.sources_problem;
    if (problem.empty() && title.size() > longest_title) {
        problem = "the name in the flow is too long";
    }
    std::optional<Invitation> claimed;
    if (problem.empty() && !session.ticket.empty()) {
        // Mark the invitation on the disk before creating anything, so that it can't be used twice.
        const auto saved = ledger_.change([&](Ledger& ledger) {
            claimed = ledger.claim(session.ticket, clock_.now().wall);
            return claimed.has_value();
        });
        if (!saved) {
            log_failure("take an invitation", "", {saved.error().message});
            problem = "the relay can't write to its disk: tell whoever runs it";
            claimed.reset();
        } else if (!claimed) {
            session.ticket.clear();
            give_back_access(session);
            return failed(403, "This invitation is not open",
                          {"It was used already, has expired or was withdrawn meanwhile: nothing "
                           "was changed",
                           "Ask whoever sent it to you for another one"});
        } else {
            name = claimed->name;
        }
    }
    if (problem.empty() && name.empty()) problem = "the source needs a name";
    if (!problem.empty()) return confirm_page(call, 400, *number, name, title, problem);
    client::SourceRequest request{
        name, title.empty() ? name : title, {}, config_.connect.client_id};
    return make_source(call, flow, std::move(request), std::move(claimed));
}

http::Response Site::make_source(Call& call, const client::Flow& flow,
                                 client::SourceRequest request, std::optional<Invitation> claimed) {
    Session& session = *call.session;
    const std::string name = request.name;
    const std::string title = request.title == name ? std::string() : request.title;
    std::vector<std::string> said;
    client::FlowApi api(config_, into(said));
    api.use(session.access);
    client::SourceMaking making(api, ask_daemon(), std::move(request), into(said));
    std::optional<client::NewSource> source;
    bool connected_now = false;
    if (making.is_name_free()) {
        (void)making.choose(flow, "");
        source = making.make();
        connected_now = source && making.hand_over(*source);
    }
    if (!connected_now) {
        if (claimed) {
            const auto saved = ledger_.change([&](Ledger& ledger) {
                ledger.reopen(claimed->hash);
                return true;
            });
            if (!saved) {
                log_failure("open an invitation again", name, {saved.error().message});
                said.emplace_back(
                    "the invitation can't be used again now: ask whoever sent it to you");
            }
        }
        log_failure("connect", name, said);
        std::string all;
        for (const std::string& sentence : said) all += (all.empty() ? "" : ". ") + sentence;
        const auto at = std::ranges::find(session.flows, flow.sources, &client::Flow::sources);
        return confirm_page(call, 409, static_cast<std::size_t>(at - session.flows.begin()), name,
                            title, all);
    }
    log_.write(ev::pages_connected, {{"source", name},
                                     {"flow", flow.path.empty() ? flow.id : flow.path},
                                     {"source_id", source->id},
                                     {"user", session.person.title()},
                                     {"invited", claimed.has_value()}});
    if (claimed) {
        const auto saved = ledger_.change([&](Ledger& ledger) {
            ledger.used(claimed->hash);
            return true;
        });
        if (!saved) log_failure("close a used invitation", name, {saved.error().message});
    }
    if (!making.is_settled()) {
        said.emplace_back(
            "it is uncertain whether the source is safe on the relay's disk: tell whoever runs it");
    }
    if (!set_link(*source, flow)) {
        said.emplace_back(
            "the flow has no link to the settings of this source: that could not be "
            "set up");
    }
    give_back_access(session);
    session.ticket.clear();
    session.done_title = "Connected";
    session.done_body = connected(name, flow, source->id, said);
    return go("/done");
}

/// Gives the source a link to its settings that nobody can guess. Returns false if that failed.
bool Site::set_link(const client::NewSource& source, const client::Flow& flow) {
    const std::string word = client::random_word(link_bytes);
    const auto saved = ledger_.change([&](Ledger& ledger) {
        ledger.add_link({hash_of(word), flow.path.empty() ? flow.id : flow.path, source.id});
        return true;
    });
    if (!saved) {
        log_failure("keep a link to the settings", source.id, {saved.error().message});
        return false;
    }
    app::ApiClient api(config_);
    const json::object update{{"flow_token", source.flow_token.reveal()},
                              {"configuration_url", url("/configure/" + word)}};
    const auto answer = api.call("PUT", "/sources", Secret(), json::serialize(update));
    if (answer && is_success(answer->status)) return true;
    log_failure("set the link to the settings", source.id,
                {answer ? fmt::format("HTTP {} {}", answer->status, app::printable(answer->message))
                        : app::printable(answer.error().message)});
    return false;
}

}  // namespace flowrelay::pages
