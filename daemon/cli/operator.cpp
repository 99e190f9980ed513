#include "cli/operator.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <cstdio>
#include <utility>

#include "cli/json_members.hpp"
#include "cli/terminal.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::cli {

namespace json = boost::json;

namespace {

// Looking up an unknown id searches the whole queue.
constexpr Milliseconds longest_operation = Seconds(120);
constexpr std::size_t ids_at_once = 500;
constexpr std::size_t page_size = 500;

}  // namespace

std::optional<DaemonReply> Operator::call(std::string_view method, std::string_view target,
                                          std::string_view body) {
    auto reply = call_daemon(socket_, method, target, body, longest_operation);
    if (!reply) {
        complain(reply.error().message);
        exit_code_ = exit_code_of(reply.error());
        return std::nullopt;
    }
    if (!reply->ok()) {
        complain(message_of(*reply));
        exit_code_ = exit_code_of(*reply);
        return std::nullopt;
    }
    return std::move(*reply);
}

std::optional<DaemonReply> Operator::get(std::string_view target) {
    return call("GET", target, {});
}

std::optional<DaemonReply> Operator::post(std::string_view target, const json::object& body) {
    // Arguments are bytes; JSON is UTF-8.
    return call("POST", target, repair_utf8(json::serialize(body)));
}

bool Operator::pages(const std::string& target, std::size_t limit,
                     const std::function<bool(const std::string& lines)>& page, bool& more) {
    std::string after;
    std::size_t shown = 0;
    more = false;
    while (true) {
        const std::size_t wanted =
            limit == 0 ? page_size : std::min<std::size_t>(page_size, limit - shown);
        std::string url = target;
        add_query(url, "limit", std::to_string(wanted));
        add_query(url, "after", after);
        const auto reply = get(url);
        if (!reply) return false;
        if (!reply->body.empty() && !page(reply->body)) return false;
        shown += static_cast<std::size_t>(std::ranges::count(reply->body, '\n'));
        after = reply->next;
        if (after.empty()) return true;
        if (limit != 0 && shown >= limit) {
            more = true;
            return true;
        }
    }
}

std::vector<json::object> parse_lines(std::string_view lines) {
    std::vector<json::object> objects;
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find('\n'), lines.size());
        auto object = parse_object(lines.substr(0, end));
        if (object) objects.push_back(std::move(*object));
        lines.remove_prefix(std::min(end + 1, lines.size()));
    }
    return objects;
}

void add_query(std::string& target, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    target += target.find('?') == target.npos ? '?' : '&';
    target += name;
    target += '=';
    target += url_encode(value);
}

void print_json(std::string_view text) {
    print_text(::isatty(STDOUT_FILENO) != 0 ? escape_json(text) : std::string(text));
}

void print_text(std::string_view text) {
    fmt::print("{}{}", text, text.ends_with('\n') || text.empty() ? "" : "\n");
}

std::vector<std::string> read_ids(std::FILE* in) {
    std::vector<std::string> ids;
    std::string line;
    const auto take = [&] {
        const std::size_t first = line.find_first_not_of(" \t\r");
        if (first != line.npos) {
            std::string id = line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
            if (id.front() == '{') {
                const auto object = parse_object(id);
                const auto seq = object ? number_of(*object, "seq") : std::nullopt;
                id = seq ? fmt::format("{:.0f}", *seq) : id;
            }
            ids.push_back(std::move(id));
        }
        line.clear();
    };
    for (int c = std::getc(in); c != EOF; c = std::getc(in)) {
        if (c == '\n') {
            take();
        } else {
            line += static_cast<char>(c);
        }
    }
    take();
    return ids;
}

namespace {

void add_up(json::object& sum, const json::object& answer) {
    for (const auto& [name, value] : answer) {
        if (name == "next" || name == "accepted_by_ms") continue;
        json::value& all = sum[name];
        if (value.is_number() && all.is_number()) {
            all = all.to_number<std::uint64_t>() + value.to_number<std::uint64_t>();
        } else if (value.is_array() && all.is_array()) {
            for (const auto& item : value.get_array()) all.get_array().push_back(item);
        } else {
            all = value;
        }
    }
}

std::optional<json::object> post_part(Operator& daemon, std::string_view target,
                                      const json::object& body, json::object& sum) {
    const auto reply = daemon.post(target, body);
    if (!reply) return std::nullopt;
    auto answer = parse_object(reply->body);
    if (!answer) {
        complain(answer.error().message);
        return std::nullopt;
    }
    add_up(sum, *answer);
    return std::move(*answer);
}

bool post_ids(Operator& daemon, std::string_view target, const std::vector<std::string>& ids,
              bool plan, json::object& sum) {
    for (std::size_t at = 0; at < ids.size(); at += ids_at_once) {
        json::array part;
        for (std::size_t i = at; i < std::min(ids.size(), at + ids_at_once); ++i) {
            part.push_back(json::value(ids[i]));
        }
        json::object body{{"ids", std::move(part)}, {"plan", plan}};
        if (!post_part(daemon, target, body, sum)) return false;
    }
    return true;
}

}  // namespace

bool post_selection(Operator& daemon, std::string_view target, std::string_view done,
                    const Selection& selection, bool plan, json::object& sum) {
    if (!selection.ids.empty()) {
        std::vector<std::string> ids;
        for (const std::string& id : selection.ids) {
            if (id != "-") {
                ids.push_back(id);
                continue;
            }
            for (auto& read : read_ids(stdin)) ids.push_back(std::move(read));
            if (std::ferror(stdin) != 0) {
                complain("cannot read the ids: the standard input is closed or broken");
                return false;
            }
        }
        sum["matched"] = 0;
        if (!plan) sum[done] = 0;
        return post_ids(daemon, target, ids, plan, sum);
    }
    json::object body{{"plan", plan}};
    if (selection.all) body["all"] = true;
    if (!selection.source.empty()) body["source"] = selection.source;
    if (!selection.thread.empty()) body["thread"] = selection.thread;
    while (true) {
        const auto answer = post_part(daemon, target, body, sum);
        if (!answer) return false;
        const json::value* next = answer->if_contains("next");
        if (next == nullptr) return true;
        body["after"] = *next;
        // Events that arrived after the first batch are not part of the selection.
        if (const auto* by = answer->if_contains("accepted_by_ms")) body["accepted_by_ms"] = *by;
    }
}

}  // namespace flowrelay::cli
