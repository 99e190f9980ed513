#include "flowrelay/client/source_making.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "flowrelay/app/secret_file.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/utf8.hpp"
#include "flowrelay/client/json_members.hpp"
#include "flowrelay/http/request_writer.hpp"

namespace flowrelay::client {

namespace json = boost::json;

namespace {

// The maximum length of a text about the source in its flow that the daemon accepts.
constexpr std::size_t max_flow_source_text = 1024;

bool has_usable_token(const NewSource& source) {
    return !source.id.empty() &&
           app::check_secret(source.flow_token.reveal(), {"flow_token"}).has_value();
}

}  // namespace

SourceMaking::SourceMaking(FlowApi& api, AskDaemon ask, SourceRequest request, Say say)
    : api_(api), ask_(std::move(ask)), request_(std::move(request)), say_(std::move(say)) {}

/// Reports why the daemon refused a request.
void SourceMaking::fail(const Result<DaemonReply>& reply) {
    say_(reply ? message_of(*reply) : reply.error().message);
    failure_ = reply ? failure_of(*reply) : failure_of(reply.error());
}

bool SourceMaking::is_name_free() {
    const json::object plan{{"name", request_.name}, {"plan", true}};
    const auto reply = ask_("POST", "/v1/sources", repair_utf8(json::serialize(plan)));
    if (reply && reply->ok()) return true;
    fail(reply);
    return false;
}

std::string SourceMaking::flow_name() const {
    if (!wanted_.empty()) return wanted_;
    return flow_.path.empty() ? flow_.id : flow_.path;
}

std::optional<ListedSource> SourceMaking::choose(const Flow& flow, const std::string& wanted) {
    flow_ = flow;
    wanted_ = wanted;
    place_ = flow.sources;
    before_ = api_.sources(place_);
    if (!before_) return std::nullopt;
    const auto same =
        std::ranges::find(*before_, app::printable(request_.title), &ListedSource::name);
    if (same == before_->end()) return std::nullopt;
    return *same;
}

std::optional<NewSource> SourceMaking::make() {
    json::object wanted{{"name", request_.title}};
    if (!request_.url.empty()) wanted["external_url"] = request_.url;
    constexpr std::string_view what = "when asked to make the source";
    const auto answer = api_.try_call("POST", place_, repair_utf8(json::serialize(wanted)));
    if (api_.says_why_not(answer, what)) {
        failure_ = api_.failure();
        if (!answer || answer->status >= 500) look_for_lost_source(!answer);
        return std::nullopt;
    }
    auto source = read_new_source(answer->body);
    if (source && has_usable_token(*source)) return std::move(*source);
    failure_ = Failure::rejected;
    say_(!source              ? app::printable(source.error().message)
         : source->id.empty() ? "the API made the source, but gave no id for it"
         : source->flow_token.empty()
             ? "the API made the source, but gave no flow_token for it"
             : "the API made the source, but its flow_token can't be used");
    if (source && !source->id.empty()) {
        take_back(source->id);
    } else {
        look_for_lost_source(true);
    }
    return std::nullopt;
}

/// Returns whether the daemon has the source; nothing if it can't be asked, which was reported.
std::optional<bool> SourceMaking::is_with_daemon() {
    const auto reply = ask_("GET", "/v1/sources/" + http::url_encode(request_.name), {});
    if (reply && reply->code == 404) return false;
    const auto source =
        reply && reply->ok() ? parse_object(reply->body) : Result<json::object>(json::object());
    if (!reply || !reply->ok() || !source) {
        say_(!reply         ? reply.error().message
             : !reply->ok() ? message_of(*reply)
                            : source.error().message);
        return std::nullopt;
    }
    // An earlier source with that name may still exist.
    const std::string state = text_of(*source, "state");
    return state != "removed" && state != "erased" && state != "gone";
}

bool SourceMaking::hand_over(const NewSource& source) {
    json::object lives{{"id", source.id}};
    const auto add = [&](const char* member, const std::string& value) {
        if (!value.empty() && value.size() <= max_flow_source_text) lives[member] = value;
    };
    add("flow", flow_.path.empty() ? flow_name() : flow_.path);
    add("flow_name", flow_.name);
    add("application", source.application.empty() ? request_.application : source.application);
    add("configuration_uri", source.configuration_uri);
    const json::object body{{"name", request_.name},
                            {"flow_token", source.flow_token.reveal()},
                            {"flow_source", std::move(lives)}};
    const auto reply = ask_("POST", "/v1/sources", repair_utf8(json::serialize(body)));
    if (reply && reply->ok()) return true;
    fail(reply);
    if (reply && reply->code < 500) {
        take_back(source.id);
        return false;
    }
    // The daemon may have the token even though its answer or its disk failed.
    const auto taken = is_with_daemon();
    if (taken && *taken) {
        is_settled_ = !reply;
        return true;
    }
    if (taken) {
        take_back(source.id);
    } else {
        say_(
            fmt::format("it is unknown whether flowrelayd has the token: if `flowrelay source "
                        "list` shows {}, it is connected; if not, remove source {} in the flow",
                        request_.name, source.id));
    }
    return false;
}

void SourceMaking::take_back(const std::string& id) {
    const auto gone = api_.call("DELETE", place_ + "/" + http::url_encode(id), {},
                                "when asked to remove the source again");
    say_(gone ? "the source in the flow was removed again"
              : fmt::format("source {} is left unused in the flow: remove it there", id));
}

void SourceMaking::look_for_lost_source(bool lost) {
    const auto advice = [&] {
        say_(
            fmt::format("it is unknown whether a source called {} was made: look at the sources of "
                        "{}, and remove it there",
                        app::printable(request_.title), flow_name()));
    };
    const auto now = api_.sources(place_);
    if (!before_ || !now) return advice();
    const auto made = new_sources(*before_, *now, request_.title);
    if (made.empty()) {
        return say_(lost ? fmt::format("no source was made so far; the API may still make one, "
                                       "called {}: look at the sources of {} later",
                                       app::printable(request_.title), flow_name())
                         : std::string("no source was made"));
    }
    if (made.size() == 1) {
        say_(fmt::format("source {} was made nevertheless", made.front().id));
        return take_back(made.front().id);
    }
    std::string ids;
    for (const auto& source : made) ids += (ids.empty() ? "" : ", ") + source.id;
    say_(fmt::format("one of the sources {} of {} was made and is not used: remove it there", ids,
                     flow_name()));
}

}  // namespace flowrelay::client
