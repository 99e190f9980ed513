// /v1/dead: events that could not be delivered.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "control_call.hpp"
#include "control_event.hpp"
#include "flowrelay/base/number.hpp"
#include "flowrelay/runtime/engine_operations.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
namespace json = boost::json;

namespace {

json::object describe(const core::Relay& relay, const core::DeadLetter& letter, Now now) {
    json::object shown = describe_record(relay, letter.seq, letter.event, now);
    shown["outcome"] = letter.outcome == core::Outcome::expired ? "expired" : "dead";
    shown["died"] = format_time(letter.died);
    shown["attempts"] = letter.attempts;
    if (letter.status != 0) shown["status"] = letter.status;
    shown["reason"] = letter.reason;
    if (letter.replayed) shown["replayed"] = true;
    if (!letter.has_event) shown["has_event"] = false;
    boost::system::error_code error;
    json::value errors = json::parse(letter.server_errors, error);
    if (!letter.server_errors.empty() && !error) shown["errors"] = std::move(errors);
    return shown;
}

std::optional<Seq> parse_seq(std::string_view text) {
    const auto number = parse_number<std::uint64_t>(text);
    return number ? std::optional(Seq{*number}) : std::nullopt;
}

/// The letters selected by a POST: one page, and where the next begins.
struct SelectedLetters {
    std::vector<core::DeadLetter> letters;
    std::vector<std::string> not_found;
    Seq next = Seq::none;
};

constexpr std::size_t max_at_once = 500;

asio::awaitable<Result<SelectedLetters>> select_ids(ControlCall& call,
                                                    std::vector<std::string> named) {
    auto found = co_await operations::find_dead_letters(call.engine, std::move(named), call.wanted);
    if (found.has_error()) co_return found.error();
    SelectedLetters selected;
    selected.letters = std::move(found->letters);
    selected.not_found = std::move(found->not_found);
    co_return selected;
}

asio::awaitable<SelectedLetters> select_filtered(Engine& engine, std::optional<TokenId> token,
                                                 Seq after) {
    SelectedLetters selected;
    auto letters = co_await operations::list_dead(engine, after, max_at_once);
    if (letters.size() == max_at_once) selected.next = letters.back().seq;
    for (auto& letter : letters) {
        if (!token || letter.event.token == *token) selected.letters.push_back(std::move(letter));
    }
    co_return selected;
}

/// Returns the source to which a request is limited, if any.
core::OrRefusal<std::optional<TokenId>> source_of(const ControlCall& call,
                                                  const std::string& name) {
    if (name.empty()) return std::optional<TokenId>();
    const auto token = find_source(call, name);
    if (token.has_error()) return token.error();
    return std::optional(*token);
}

asio::awaitable<boost::system::result<SelectedLetters, http::Response>> select(ControlCall& call) {
    const json::value* ids = call.body.if_contains("ids");
    const std::string source = call.text("source");
    const int ways =
        (ids != nullptr ? 1 : 0) + (source.empty() ? 0 : 1) + (call.flag("all") ? 1 : 0);
    if (ways != 1) {
        co_return control_error(400, "invalid",
                                R"(say which: {"ids": […]}, {"source": …}, or {"all": true})");
    }
    if (ids != nullptr) {
        auto named = read_ids(*ids, max_at_once);
        if (named.has_error()) co_return control_error(named.error());
        auto selected = co_await select_ids(call, std::move(*named));
        if (selected.has_error()) co_return control_error(selected.error());
        co_return std::move(*selected);
    }
    const auto token = source_of(call, source);
    if (token.has_error()) co_return control_error(token.error());
    const auto after = call.text("after").empty() ? Seq::none : parse_seq(call.text("after"));
    if (!after) co_return control_error(400, "invalid", "\"after\" has to be a seq");
    auto selected = co_await select_filtered(call.engine, *token, *after);
    co_return std::move(selected);
}

void add_rest(json::object& answer, const SelectedLetters& selected) {
    if (!selected.not_found.empty()) {
        json::array ids;
        for (const auto& id : selected.not_found) ids.push_back(json::value(id));
        answer["not_found"] = std::move(ids);
    }
    if (selected.next != Seq::none) answer["next"] = std::to_string(to_number(selected.next));
}

std::string target_of(const ControlCall& call, const SelectedLetters& selected) {
    if (call.flag("all")) return "all";
    if (!call.text("source").empty()) return call.text("source");
    if (selected.letters.size() == 1) return selected.letters.front().event.id;
    return fmt::format("{} dead letters by their ids", selected.letters.size());
}

}  // namespace

ControlAnswer get_dead(ControlCall& call) {
    const auto limit = page_limit(call);
    if (!limit) co_return control_error(400, "invalid", "limit has to be 1 to 1000");
    const auto token = source_of(call, call.query("source"));
    if (token.has_error()) co_return control_error(token.error());
    const std::string from = call.query("after");
    const auto after = from.empty() ? Seq::none : parse_seq(from);
    if (!after) co_return control_error(400, "invalid", "after has to be a seq");
    const auto letters = co_await operations::list_dead(call.engine, *after, *limit);
    const Now now = call.engine.clock().now();
    std::string lines;
    for (const auto& letter : letters) {
        if (*token && letter.event.token != **token) continue;
        lines += json::serialize(describe(call.relay(), letter, now));
        lines += '\n';
    }
    std::string next;
    if (letters.size() == *limit) next = std::to_string(to_number(letters.back().seq));
    co_return lines_response(std::move(lines), next);
}

ControlAnswer get_dead_letter(ControlCall& call) {
    const auto found = co_await operations::find_dead(call.engine, call.name, call.wanted);
    if (found.has_error()) co_return control_error(found.error());
    if (!*found) {
        co_return control_error(404, "not_found",
                                fmt::format("{} is not among the dead letters", call.name));
    }
    json::object letter = describe(call.relay(), **found, call.engine.clock().now());
    if (call.name != std::to_string(to_number((*found)->seq))) {
        std::vector<std::string> id(1, "id:" + (*found)->event.id);
        const auto all =
            co_await operations::find_dead_letters(call.engine, std::move(id), call.wanted);
        if (all.has_error()) co_return control_error(all.error());
        json::array copies;
        for (const auto& copy : all->letters) {
            if (copy.seq == (*found)->seq) continue;
            copies.push_back(describe(call.relay(), copy, call.engine.clock().now()));
        }
        if (!copies.empty()) letter["copies"] = std::move(copies);
    }
    http::Response response;
    const std::string& body = (*found)->event.body;
    append_with(response.body, letter, "body", body.empty() ? "null" : body);
    co_return response;
}

namespace {

using LetterChange = asio::awaitable<Result<std::uint64_t>> (*)(Engine& engine,
                                                                std::vector<Seq> seqs);

ControlAnswer change_letters(ControlCall& call, LetterChange make, std::string done) {
    auto selected = co_await select(call);
    if (selected.has_error()) co_return selected.error();
    std::size_t without_event = 0;
    if (make == operations::replay_dead) {
        without_event =
            std::erase_if(selected->letters, [](const auto& l) { return !l.has_event; });
    }
    json::object answer{{"matched", selected->letters.size()}};
    if (without_event > 0) answer["without_event"] = without_event;
    add_rest(answer, *selected);
    if (call.plan) {
        json::array shown;
        for (std::size_t i = 0; i < selected->letters.size() && i < max_examples; ++i) {
            shown.push_back(
                describe(call.relay(), selected->letters[i], call.engine.clock().now()));
        }
        answer["plan"] = true;
        answer["examples"] = std::move(shown);
        co_return json_response(answer);
    }
    call.target = target_of(call, *selected);
    std::vector<Seq> seqs;
    for (const auto& letter : selected->letters) seqs.push_back(letter.seq);
    const auto count = co_await make(call.engine, std::move(seqs));
    if (count.has_error()) co_return control_error(count.error());
    answer[done] = *count;
    if (make == operations::drop_dead) {
        const Now now = call.engine.clock().now();
        for (const auto& letter : selected->letters) {
            if (!letter.replayed) call.relay().delivery().letter_dropped(letter, now);
        }
    }
    call.result = fmt::format("{} {}", *count, done);
    co_return json_response(answer);
}

}  // namespace

ControlAnswer replay_dead(ControlCall& call) {
    return change_letters(call, operations::replay_dead, "replayed");
}

ControlAnswer drop_dead(ControlCall& call) {
    return change_letters(call, operations::drop_dead, "dropped");
}

}  // namespace flowrelay::runtime
