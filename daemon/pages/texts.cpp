#include "pages/texts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/client/json_members.hpp"
#include "pages/html.hpp"

namespace flowrelay::pages {

namespace json = boost::json;

namespace {

std::string alert(std::string_view text) {
    return text.empty() ? std::string()
                        : fmt::format("<div role=\"alert\">{}</div>", paragraph(as_sentence(text)));
}

std::string status(std::string_view text) {
    return text.empty() ? std::string()
                        : fmt::format("<div role=\"status\">{}</div>", paragraph(text));
}

std::string description(const std::string& rows) {
    return fmt::format("<dl>{}</dl>", rows);
}

std::string link(std::string_view url, std::string_view label) {
    return fmt::format("<p><a href=\"{}\">{}</a></p>", escape(url), escape(label));
}

bool has(const json::object& filter, std::string_view name, std::string_view word) {
    const json::array* list = client::array_of(filter, name);
    if (list == nullptr || list->empty()) return true;
    return std::ranges::any_of(*list, [word](const json::value& each) {
        return each.is_string() && each.get_string() == word;
    });
}

std::string filter_form(const SettingsText& text, const json::object& filter) {
    std::string events = "<fieldset><legend>Types of events</legend>";
    for (const char* event : {"activity", "discussion"}) {
        events += choice("checkbox", event, "yes", event, has(filter, "events", event));
    }
    events += "</fieldset>";
    return "<h2>Which events pass</h2>" +
           form(text.base + "/filter", text.csrf,
                events +
                    text_area({"tags", "Tags", filter_lines(filter, "tags"),
                               "Events with one of these pass, one a line. Leave it empty to let "
                               "all pass.",
                               false}) +
                    text_area({"threads", "Threads", filter_lines(filter, "threads"),
                               "Threads whose id begins with one of these lines pass. Leave it "
                               "empty to let all pass.",
                               false}) +
                    button("Save"));
}

}  // namespace

std::string as_sentence(std::string_view text) {
    std::string out(text);
    // Names of programs and sources stay in lower case: only English words get a capital.
    const std::size_t end = std::min(out.find_first_of(" ,;:"), out.size());
    const bool is_word = end > 0 && std::ranges::all_of(out.substr(0, end), [](char c) {
                             return ascii::is_letter(c) || c == '\'';
                         });
    if (is_word && !out.starts_with("flowrelay") && out.front() >= 'a' && out.front() <= 'z') {
        out.front() = static_cast<char>(out.front() - 'a' + 'A');
    }
    if (!out.empty() && !out.ends_with('.') && !out.ends_with('?')) out += '.';
    return out;
}

std::string start_connect(const StartText& text) {
    std::string out;
    if (!text.name.empty()) {
        out += paragraph(
            fmt::format("You are invited to connect the source {} to a flow.", text.name));
    } else {
        out += paragraph("Here you connect a source of events to your flow.");
    }
    return out +
           fmt::format("<ol><li>{}</li><li>{}</li><li>{}</li></ol>",
                       escape("You log in at " + text.server + " and allow it there."),
                       escape("You come back here and see what will be connected."),
                       escape("You confirm. Nothing is changed before that.")) +
           link(text.authorize, "Continue to " + text.server);
}

std::string start_configure(const StartText& text) {
    return paragraph("Here you change the settings of a source of your flow.") +
           paragraph(fmt::format("First log in at {}, so that it is known that you may see this "
                                 "source.",
                                 text.server)) +
           link(text.authorize, "Continue to " + text.server);
}

std::string confirm(const ConfirmText& text) {
    std::string fields;
    if (text.flows.size() == 1) {
        const client::Flow& flow = text.flows.front();
        fields += description(row("Flow", flow.title()) + row("Organization", flow.organization) +
                              row("As", text.user) +
                              (text.is_name_fixed ? row("Source", text.name) : std::string())) +
                  "<input type=\"hidden\" name=\"flow\" value=\"0\">";
    } else {
        fields += description(row("As", text.user) +
                              (text.is_name_fixed ? row("Source", text.name) : std::string()));
        fields += "<fieldset><legend>Flow</legend>";
        for (std::size_t i = 0; i < text.flows.size(); ++i) {
            const client::Flow& flow = text.flows[i];
            const char* const state = flow.disabled  ? " (disabled)"
                                      : !flow.joined ? " (not joined)"
                                                     : "";
            fields += choice("radio", "flow", fmt::format("{}", i), flow.title() + state,
                             i == text.chosen);
        }
        fields += "</fieldset>";
    }
    if (!text.is_name_fixed) {
        fields += text_input({"name", "Name of the source", text.name,
                              "What programs call it that send events: letters, digits, dots, "
                              "dashes and underscores.",
                              true});
    }
    fields +=
        text_input({"title", "Name in the flow", text.title,
                    "What people in the flow see. Leave it empty to use the same name.", false});
    return alert(text.problem) + form(text.action, text.csrf, fields + button("Connect"));
}

std::string connected(std::string_view name, const client::Flow& flow, std::string_view source_id,
                      const std::vector<std::string>& notes) {
    std::string out = status(fmt::format("The source {} is connected.", name));
    out += description(row("Flow", flow.title()) + row("Organization", flow.organization) +
                       row("Id in the flow", source_id));
    out += paragraph(fmt::format(
        "Events that are sent for {} now appear in the flow. You can close this page.", name));
    for (const std::string& note : notes) out += paragraph(as_sentence(note));
    if (!flow.web_url.empty() && flow.web_url.starts_with("http")) {
        out += link(flow.web_url, "Go to the flow");
    }
    return out;
}

std::string filter_lines(const json::object& filter, std::string_view name) {
    std::string out;
    const json::array* list = client::array_of(filter, name);
    if (list == nullptr) return out;
    for (const json::value& each : *list) {
        if (!each.is_string()) continue;
        if (!out.empty()) out += '\n';
        out += app::printable(each.get_string());
    }
    return out;
}

std::string settings(const SettingsText& text) {
    const json::object& source = text.source;
    const json::object* lives = client::object_of(source, "flow_source");
    const std::string state = client::text_of(source, "state");
    std::string out = alert(text.problem) + status(text.note);
    out += description(
        row("Source", client::text_of(source, "name")) +
        row("Flow", lives == nullptr ? std::string() : client::text_of(*lives, "flow")) +
        row("State", state) + row("Reason", client::text_of(source, "reason")) +
        row("As", text.user));
    // The filter of a configured source can only be changed in the configuration.
    if (client::text_of(source, "kind") != "configured") {
        const json::object* filter = client::object_of(source, "filter");
        out += filter_form(text, filter == nullptr ? json::object() : *filter);
    }
    if (state == "paused") {
        out += "<h2>Paused</h2>" +
               paragraph("Events are kept and posted when the source is resumed.") +
               form(text.base + "/resume", text.csrf, button("Resume"));
    } else {
        out += "<h2>Pause</h2>" +
               paragraph(
                   "Nothing is posted while a source is paused. Its events are kept, and "
                   "posted when it is resumed.") +
               form(text.base + "/pause", text.csrf, button("Pause"));
    }
    out += "<h2>Remove</h2>" + paragraph("Takes the source out of the flow, for good.") +
           link(text.base + "/remove", "Remove this source");
    out += "<h2>Leave</h2>" + form(text.base + "/leave", text.csrf, button("Log out"));
    return out;
}

std::string removal(const SettingsText& text, const json::object& plan) {
    const auto count = [&](const char* name) -> std::uint64_t {
        const json::value* value = plan.if_contains(name);
        return value != nullptr && value->is_number() ? value->to_number<std::uint64_t>() : 0;
    };
    const std::string name = client::text_of(plan, "name");
    return alert(text.problem) +
           paragraph(fmt::format(
               "{} is taken out of the flow, and what the relay has stored for it is erased: {} "
               "that wait to be posted and {} that were refused. This can't be undone.",
               name, app::counted(count("queued"), "event"),
               app::counted(count("dead_letters"), "event"))) +
           form(text.base + "/remove", text.csrf, button("Remove " + name)) +
           link(text.base + "/settings", "Keep it");
}

std::string problem(const std::vector<std::string>& sentences, std::string_view again) {
    std::string out = "<div role=\"alert\">";
    for (const std::string& sentence : sentences) out += paragraph(as_sentence(sentence));
    out += "</div>";
    return again.empty() ? out : out + link(again, "Try again");
}

}  // namespace flowrelay::pages
