// The settings of a source, for users to whom the API shows that source.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "flowrelay/base/utf8.hpp"
#include "flowrelay/client/daemon_call.hpp"
#include "flowrelay/client/json_members.hpp"
#include "flowrelay/core/log_events.hpp"
#include "flowrelay/http/request_writer.hpp"
#include "pages/html.hpp"
#include "pages/site.hpp"

namespace flowrelay::pages {

namespace ev = core::log_events;
namespace json = boost::json;

namespace {

constexpr int http_ok = 200;

Error not_here(std::string message) {
    return {make_error_code(boost::system::errc::no_such_file_or_directory), std::move(message)};
}

/// Returns whether the daemon's source is that source of the flow, and still exists.
bool is_source(const json::object& source, std::string_view flow, std::string_view id) {
    const json::object* lives = client::object_of(source, "flow_source");
    if (lives == nullptr || client::text_of(*lives, "id") != id ||
        client::text_of(*lives, "flow") != flow) {
        return false;
    }
    const std::string state = client::text_of(source, "state");
    return state != "removed" && state != "erased" && state != "gone";
}

/// Finds a source of a flow in the daemon's list and returns its name; empty if it is not listed.
std::string name_in_lines(std::string_view lines, std::string_view flow, std::string_view id) {
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        const auto source = client::parse_object(lines.substr(0, end));
        lines.remove_prefix(std::min(end + 1, lines.size()));
        if (source && is_source(*source, flow, id)) return client::text_of(*source, "name");
    }
    return {};
}

/// Asks the daemon for the name of a source of a flow. Returns an empty name if it has none.
Result<std::string> find_name(const client::AskDaemon& ask, std::string_view flow,
                              std::string_view id) {
    std::string after;
    do {
        const auto reply =
            ask("GET",
                after.empty() ? "/v1/sources" : "/v1/sources?after=" + http::url_encode(after), {});
        if (!reply) return reply.error();
        if (!reply->ok()) return not_here(client::message_of(*reply));
        std::string name = name_in_lines(reply->body, flow, id);
        if (!name.empty()) return name;
        after = reply->next;
    } while (!after.empty());
    return std::string();
}

json::array to_array(const std::vector<std::string>& words) {
    json::array list;
    for (const std::string& word : words) list.push_back(json::value(word));
    return list;
}

/// Removes the carriage returns that browsers send, and trailing line ends.
std::string plain_lines(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c != '\r') out += c;
    }
    while (out.ends_with('\n')) out.pop_back();
    return out;
}

/// Returns the list of a filter from a form. If the field was not edited, returns the stored list,
/// because the form can't show every entry exactly as stored.
json::array asked_list(const json::object& present, std::string_view name,
                       std::string_view posted) {
    const json::array* list = client::array_of(present, name);
    if (list != nullptr && plain_lines(posted) == filter_lines(present, name)) return *list;
    return to_array(split_lines(repair_utf8(posted)));
}

}  // namespace

/// Checks whether the API shows the source to the user and the daemon has it. Stores its name and
/// place in the session.
Site::Right Site::right_to_configure(Session& session, client::FlowApi& api,
                                     std::vector<std::string>& said) const {
    const auto of_api = [&api] {
        return api.failure() == client::Failure::try_later ? Right::unknown : Right::refused;
    };
    const auto flow = api.find_flow(session.flow);
    if (!flow) return of_api();
    // The daemon records the path of a flow, or its id if the API names no path.
    session.flow = flow->path.empty() ? flow->id : flow->path;
    if (flow->sources.empty()) {
        said.push_back(flow->sources_problem);
        return Right::refused;
    }
    const auto answer = api.call("GET", flow->sources + "/" + http::url_encode(session.source_id),
                                 {}, "when asked for the source");
    if (!answer) return of_api();
    if (answer->status != http_ok) {
        said.emplace_back("the API does not show the source to this user");
        return Right::refused;
    }
    auto name = find_name(ask_daemon(), session.flow, session.source_id);
    if (!name) {
        said.push_back(name.error().message);
        log_failure("look for a source", "", said);
        return Right::unknown;
    }
    if (name->empty()) {
        said.emplace_back(
            "this relay has no such source: it may have been removed here, or "
            "belong to another relay");
        return Right::refused;
    }
    session.source = std::move(*name);
    session.sources_place = flow->sources;
    return Right::granted;
}

/// Returns the page for users who may not see the settings, or whose right is unknown.
http::Response Site::not_open(Session& session, Right right, std::vector<std::string> said) {
    said.emplace_back("nothing was changed");
    if (right == Right::unknown) {
        return failed(503, "Not now", std::move(said),
                      url(session.access.empty() ? "/authorize" : "/settings"));
    }
    give_back_access(session);
    return failed(403, "These settings are not open to you", std::move(said), url("/authorize"));
}

/// Returns the daemon's present information about the source of a session.
Result<json::object> Site::source_of(const Session& session) const {
    const auto reply = ask_daemon()("GET", "/v1/sources/" + http::url_encode(session.source), {});
    if (!reply) return reply.error();
    if (!reply->ok()) return not_here(client::message_of(*reply));
    return client::parse_object(reply->body);
}

SettingsText Site::settings_text(Call& call) const {
    SettingsText text;
    text.base = url("/settings");
    text.csrf = call.session->csrf;
    text.user = call.session->person.title();
    text.note = std::exchange(call.session->note, {});
    text.problem = std::exchange(call.session->problem, {});
    return text;
}

http::Response Site::show_settings(Call& call) {
    Session& session = *call.session;
    if (session.purpose != Purpose::configure || session.access.empty()) return no_visit();
    auto source = source_of(session);
    if (!source) {
        return failed(503, "Settings of " + session.source,
                      {"The relay can't be asked now: " + source.error().message},
                      url("/settings"));
    }
    SettingsText text = settings_text(call);
    text.source = std::move(*source);
    text.base = url("/settings");
    return html(200, "Settings of " + session.source, settings(text));
}

/// Asks the daemon to make a change, if the API still shows the source to the user.
http::Response Site::change(Call& call, std::string_view action, const std::string& body,
                            std::string_view done) {
    Session& session = *call.session;
    if (session.purpose != Purpose::configure || session.access.empty()) return no_visit();
    std::vector<std::string> said;
    client::FlowApi api(config_, into(said));
    api.use(session.access);
    const Right right = right_to_configure(session, api, said);
    if (right != Right::granted) return not_open(session, right, std::move(said));
    const auto reply = ask_daemon()(
        "POST", fmt::format("/v1/sources/{}/{}", http::url_encode(session.source), action), body);
    if (reply && reply->ok()) {
        session.note = done;
        log_.write(
            ev::pages_changed,
            {{"source", session.source}, {"action", action}, {"user", session.person.title()}});
    } else {
        session.problem = reply ? client::message_of(*reply) : reply.error().message;
        log_failure(action, session.source, {session.problem});
    }
    return go("/settings");
}

http::Response Site::pause(Call& call) {
    return change(call, "pause", "", "The source is paused. Its events are kept.");
}

http::Response Site::resume(Call& call) {
    return change(call, "resume", "", "The source is resumed. Its events are posted again.");
}

http::Response Site::change_filter(Call& call) {
    if (call.session->purpose != Purpose::configure || call.session->access.empty()) {
        return no_visit();
    }
    std::vector<std::string> events;
    for (const char* event : {"activity", "discussion"}) {
        if (!call.field(event).empty()) events.emplace_back(event);
    }
    if (events.empty()) {
        call.session->problem = "nothing was changed: at least one type of event must pass";
        return go("/settings");
    }
    if (events.size() == 2) events.clear();  // all events pass
    auto source = source_of(*call.session);
    if (!source) {
        call.session->problem = source.error().message;
        return go("/settings");
    }
    const json::object* now = client::object_of(*source, "filter");
    const json::object present = now == nullptr ? json::object() : *now;
    json::object filter{{"events", to_array(events)},
                        {"tags", asked_list(present, "tags", call.field("tags"))},
                        {"threads", asked_list(present, "threads", call.field("threads"))}};
    const bool all = std::ranges::all_of(
        filter, [](const auto& member) { return member.value().get_array().empty(); });
    if (all) filter = {{"all", true}};
    return change(call, "filter", json::serialize(filter),
                  "Saved. It applies to events that are sent from now on.");
}

http::Response Site::show_removal(Call& call) {
    Session& session = *call.session;
    if (session.purpose != Purpose::configure || session.access.empty()) return no_visit();
    const auto reply =
        ask_daemon()("POST", fmt::format("/v1/sources/{}/remove", http::url_encode(session.source)),
                     R"({"plan":true})");
    const auto plan = reply && reply->ok()
                          ? client::parse_object(reply->body)
                          : Result<json::object>(not_here(reply ? client::message_of(*reply)
                                                                : reply.error().message));
    if (!plan) {
        return failed(503, "Remove " + session.source,
                      {"The relay can't be asked now: " + plan.error().message}, url("/settings"));
    }
    return html(200, fmt::format("Remove {}?", session.source),
                removal(settings_text(call), *plan));
}

/// After a failed removal, returns whether the source is gone from the flow because only the answer
/// was lost. Adds a sentence to `said` if it is not gone, or that is unknown.
bool Site::is_gone_all_the_same(const Session& session, client::FlowApi& api,
                                std::vector<std::string>& said) const {
    if (api.failure() != client::Failure::try_later) {
        said.emplace_back("nothing was removed");
        return false;
    }
    const auto answer =
        api.try_call("GET", session.sources_place + "/" + http::url_encode(session.source_id), {});
    if (answer && (answer->status == 404 || answer->status == 410)) return true;
    said.emplace_back(
        answer && answer->status == http_ok
            ? "the source is still in the flow, unless the API carries the removal out later: look "
              "at the sources of the flow"
            : "it is unknown whether the source was removed: look at the sources of the flow");
    return false;
}

/// Removes the source from the flow first, so that the user can try again if that fails.
http::Response Site::remove(Call& call) {
    Session& session = *call.session;
    if (session.access.empty() && !session.done_title.empty()) return go("/done");
    if (session.purpose != Purpose::configure || session.access.empty()) return no_visit();
    std::vector<std::string> said;
    client::FlowApi api(config_, into(said));
    api.use(session.access);
    const Right right = right_to_configure(session, api, said);
    if (right != Right::granted) return not_open(session, right, std::move(said));
    const auto gone =
        api.call("DELETE", session.sources_place + "/" + http::url_encode(session.source_id), {},
                 "when asked to remove the source");
    if (!gone && !is_gone_all_the_same(session, api, said)) {
        log_failure("remove", session.source, said);
        return failed(502, "Not removed", std::move(said), url("/settings/remove"));
    }
    give_back_access(session);
    const auto reply =
        ask_daemon()("POST", fmt::format("/v1/sources/{}/remove", http::url_encode(session.source)),
                     R"({"plan":false})");
    std::string body = paragraph(fmt::format("{} is not in the flow any more.", session.source));
    if (reply && reply->ok()) {
        body += paragraph("What the relay had stored for it is erased.");
    } else {
        log_failure("remove", session.source,
                    {reply ? client::message_of(*reply) : reply.error().message,
                     "it is not in its flow any more"});
        body += paragraph(
            "The relay could not be informed. It will notice with the next event, and then erase "
            "what it has stored.");
    }
    const auto saved = ledger_.change([&](Ledger& ledger) {
        ledger.remove_link(session.flow, session.source_id);
        return true;
    });
    if (!saved) log_failure("forget a link", session.source, {saved.error().message});
    log_.write(
        ev::pages_changed,
        {{"source", session.source}, {"action", "remove"}, {"user", session.person.title()}});
    session.done_title = "Removed";
    session.done_body = std::move(body);
    return go("/done");
}

http::Response Site::leave(Call& call) {
    Session& session = *call.session;
    give_back_access(session);
    session.purpose = Purpose::none;
    session.done_title = "Logged out";
    session.done_body = paragraph("You can close this page.");
    return go("/done");
}

}  // namespace flowrelay::pages
