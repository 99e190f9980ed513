#include "control_event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "flowrelay/base/utf8.hpp"

namespace flowrelay::runtime {
namespace json = boost::json;

json::object describe_record(const core::Relay& relay, Seq seq, const core::EventRecord& record,
                             Now now) {
    const auto slot = relay.tokens().all().find(record.token);
    json::object event{{"seq", to_number(seq)}};
    if (!record.id.empty()) event["id"] = record.id;
    event["source"] = slot == relay.tokens().all().end()
                          ? fmt::format("token-{}", to_number(record.token))
                          : slot->second.label();
    if (!record.thread.empty()) {
        event["thread"] = core::thread_label(record.thread);
        event["thread_key"] = record.thread.starts_with("t:") ? "thread_id" : "external_thread_id";
    }
    if (record.producer) {
        json::object producer{{"uid", record.producer->uid}, {"pid", record.producer->pid}};
        if (!record.producer->unit.empty()) producer["unit"] = repair_utf8(record.producer->unit);
        event["producer"] = std::move(producer);
    }
    event["accepted"] = format_time(record.accepted);
    event["age_s"] = in_seconds(std::max(Milliseconds(0), now.wall - record.accepted));
    if (record.expires != WallTime::max()) event["expires"] = format_time(record.expires);
    return event;
}

json::object describe_event(const core::Relay& relay, const ListedEvent& listed, Now now) {
    core::EventRecord record = listed.record;
    record.token = listed.event.lane.token;
    record.accepted = listed.event.accepted;
    record.expires = listed.event.expires;
    json::object event = describe_record(relay, listed.event.seq, record, now);
    event["bytes"] = listed.event.bytes;
    if (!listed.unreadable.empty()) event["unreadable"] = repair_utf8(listed.unreadable);
    const auto situation = relay.situation(listed.event);
    const auto chain = core::explain(situation, now.mono);
    event["state"] = core::to_string(chain.front().cause);
    if (!situation.stored) event["attempts"] = situation.reason.attempts;
    if (const auto wait = core::earliest(chain)) event["earliest_s"] = in_seconds(*wait);
    return event;
}

void add_chain(json::object& out, const std::vector<core::ChainLink>& chain) {
    json::array links;
    for (const auto& link : chain) {
        json::object entry{{"cause", core::to_string(link.cause)}, {"text", link.text}};
        if (link.wait) entry["wait_s"] = in_seconds(*link.wait);
        links.push_back(std::move(entry));
    }
    out["chain"] = std::move(links);
    if (const auto wait = core::earliest(chain)) out["earliest_s"] = in_seconds(*wait);
}

void append_with(std::string& out, const json::object& object, std::string_view member,
                 std::string_view text) {
    out += json::serialize(object);
    out.pop_back();
    if (!object.empty()) out += ',';
    out += '"';
    out += member;
    out += "\":";
    out += text;
    out += '}';
}

}  // namespace flowrelay::runtime
