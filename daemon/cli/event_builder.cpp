#include "cli/event_builder.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstddef>
#include <string_view>
#include <utility>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::cli {

namespace {

namespace json = boost::json;

Error bad_option(std::string message) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(message)};
}

json::string text(std::string_view value) {
    return json::string(repair_utf8(value));
}

void put(json::object& object, std::string_view name, const std::optional<std::string>& value) {
    if (value) object[name] = text(*value);
}

/// Splits "a:b" at the first separator. Returns nothing without a separator, or if "a" is empty.
std::optional<std::pair<std::string_view, std::string_view>> split(std::string_view value,
                                                                   char separator) {
    const std::size_t at = value.find(separator);
    if (at == std::string_view::npos || at == 0) return std::nullopt;
    return std::pair(value.substr(0, at), value.substr(at + 1));
}

Result<json::array> build_fields(const std::vector<std::string>& options) {
    json::array fields;
    for (const std::string& option : options) {
        const auto parts = split(option, '=');
        if (!parts) {
            return bad_option(fmt::format("--field \"{}\": write LABEL=VALUE, like Branch=main",
                                          app::printable(option)));
        }
        fields.push_back(
            json::object{{"label", text(parts->first)}, {"value", text(parts->second)}});
    }
    return fields;
}

/// Builds the `thread` of the event; empty if no option sets a part of it.
Result<json::object> build_thread(const EventOptions& options) {
    json::object thread;
    if (!options.status && !options.thread_title && !options.thread_body && !options.url &&
        options.fields.empty()) {
        return thread;
    }
    put(thread, "title", options.thread_title ? options.thread_title : options.title);
    put(thread, "body", options.thread_body);
    put(thread, "external_url", options.url);
    if (options.status) {
        const auto parts = split(*options.status, ':');
        if (!parts || parts->second.empty()) {
            return bad_option(fmt::format("--status \"{}\": write COLOR:TEXT, like red:failed",
                                          app::printable(*options.status)));
        }
        thread["status"] =
            json::object{{"color", text(parts->first)}, {"value", text(parts->second)}};
    }
    if (!options.fields.empty()) {
        auto fields = build_fields(options.fields);
        if (!fields) return fields.error();
        thread["fields"] = std::move(*fields);
    }
    return thread;
}

}  // namespace

Result<std::string> build_event(const EventOptions& options, const std::optional<Secret>& token) {
    if (options.source && token) return bad_option("--source and --token-file exclude each other");
    if (!options.source && !token) {
        return bad_option("whom is it for? Name a source with --source (or give --token-file)");
    }
    json::object event;
    put(event, "source", options.source);
    if (token) event["flow_token"] = text(token->reveal());
    // A source may have a different default; a token has none.
    if (token && !options.event) event["event"] = "activity";
    put(event, "event", options.event);
    put(event, "external_thread_id", options.thread);
    put(event, "thread_id", options.thread_id);
    put(event, "title", options.title);
    if (options.author) event["author"] = json::object{{"name", text(*options.author)}};
    put(event, "body", options.body);
    auto thread = build_thread(options);
    if (!thread) return thread.error();
    if (!thread->empty()) event["thread"] = std::move(*thread);
    if (!options.tags.empty()) {
        json::array tags;
        for (const std::string& tag : options.tags) tags.push_back(text(tag));
        event["tags"] = std::move(tags);
    }
    put(event, "uuid", options.uuid);
    if (options.expires_in) {
        // A number without a unit is in seconds, as in an event.
        const bool seconds = !options.expires_in->empty() && options.expires_in->find_first_not_of(
                                                                 "0123456789") == std::string::npos;
        const std::string expires_in = *options.expires_in + (seconds ? "s" : "");
        const auto duration = parse_duration(expires_in);
        if (!duration || *duration <= Milliseconds(0)) {
            return bad_option(fmt::format("--expires-in \"{}\": write a number and a unit, like 2h",
                                          app::printable(*options.expires_in)));
        }
        event["relay"] = json::object{{"expires_in", text(expires_in)}};
    }
    return json::serialize(event);
}

}  // namespace flowrelay::cli
