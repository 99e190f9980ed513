#include "flowrelay/core/event.hpp"

#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <utility>

#include "event_rules.hpp"
#include "flowrelay/core/json.hpp"
#include "json_mistake.hpp"

namespace flowrelay::core {

namespace {

using event_rules::add_error;
using event_rules::Field;
using event_rules::Values;

constexpr std::size_t max_token_length = 256;
constexpr std::size_t max_source_length = 256;
constexpr std::string_view bad_token = "must be 1 to 256 characters of visible ASCII";

Rejection invalid_json(std::string message) {
    return {RejectCode::invalid_json, std::move(message), {}, std::nullopt};
}

Rejection invalid_event(FieldErrors errors) {
    std::string message = event_rules::sentence_of(errors);
    return {RejectCode::invalid_event, std::move(message), std::move(errors), std::nullopt};
}

bool is_null(std::string_view json) noexcept {
    return json::kind_of(json) == json::Kind::null;
}

// The place of a member's value in a body that may still grow.
struct Span {
    std::size_t offset = 0;
    std::size_t size = 0;  ///< 0: the member is absent
};

// The members to send, as received, and the places of those that the relay reads.
class Body {
public:
    explicit Body(std::size_t expected_size) {
        text_.reserve(expected_size);
        text_ += '{';
    }

    bool has(Field field) const noexcept { return span(field).size > 0; }

    void append(std::string_view member) {
        if (text_.size() > 1) text_ += ',';
        text_ += member;
    }

    void append(Field field, const json::Member& member) {
        append(member.text);
        span(field) = {text_.size() - member.value.size(), member.value.size()};
    }

    void append(std::string_view name, std::string_view value) {
        if (text_.size() > 1) text_ += ',';
        json::append_string(text_, name);
        text_ += ':';
        text_ += value;
    }

    /// Sets the value of a member that is absent or null.
    void set(Field field, std::string_view value) {
        Span& place = span(field);
        if (place.size == 0) {
            append(event_rules::name_of(field), value);
        } else {
            text_.replace(place.offset, place.size, value);
            for (Span& other : spans_) {
                if (other.offset > place.offset) other.offset += value.size() - place.size;
            }
        }
        place = {place.size == 0 ? text_.size() - value.size() : place.offset, value.size()};
    }

    bool is_absent_or_null(Field field) const noexcept {
        return !has(field) || is_null(value(field));
    }

    Values values() const noexcept {
        Values values;
        for (std::size_t i = 0; i < spans_.size(); ++i) {
            const auto field = static_cast<Field>(i);
            if (!is_absent_or_null(field)) values.set(field, value(field));
        }
        return values;
    }

    /// Returns the members as one JSON object. No more members can be added afterwards.
    std::string finish() && {
        text_ += '}';
        return std::move(text_);
    }

    /// Returns whether there is a member that the relay does not read.
    bool has_other(std::string_view name) const {
        const std::string whole = text_ + '}';
        for (json::MemberReader in(whole); in.next();) {
            if (in.member().name == name) return true;
        }
        return false;
    }

private:
    Span& span(Field field) noexcept { return spans_[static_cast<std::size_t>(field)]; }
    const Span& span(Field field) const noexcept { return spans_[static_cast<std::size_t>(field)]; }
    std::string_view value(Field field) const noexcept {
        return std::string_view(text_).substr(span(field).offset, span(field).size);
    }

    std::string text_;  ///< without the closing bracket
    std::array<Span, event_rules::field_names.size()> spans_{};
};

void read_token(Addressee& addressee, std::string_view json, std::optional<Secret> query_token,
                FieldErrors& errors) {
    std::optional<std::string> text;
    if (!json.empty()) text = event_rules::read_visible_ascii(json, max_token_length, {});
    const bool query_is_bad =
        query_token && !event_rules::is_visible_ascii(query_token->reveal(), max_token_length, {});
    if (query_is_bad || (!json.empty() && !text)) {
        add_error(errors, "flow_token", bad_token);
    } else if (text && query_token && *text != query_token->reveal()) {
        add_error(errors, "flow_token", "is not the one of the query");
    }
    if (text) {
        addressee.emplace<Secret>(std::move(*text));
    } else if (query_token) {
        addressee = std::move(*query_token);
    }
}

void read_source(Addressee& addressee, std::string_view json, FieldErrors& errors) {
    if (json::kind_of(json) == json::Kind::string) {
        std::string name = json::decode_string(json);
        if (!name.empty() && name.size() <= max_source_length) {
            addressee = SourceName{std::move(name)};
            return;
        }
    }
    add_error(errors, "source", "must be the name of a source");
}

// Reads exactly one of source and flow_token, or adds errors.
void read_addressee(Addressee& addressee, const Values& cut, std::optional<Secret> query_token,
                    FieldErrors& errors) {
    const bool has_source = cut.has(Field::source);
    const bool has_token = cut.has(Field::flow_token) || query_token;
    if (has_source && has_token) {
        add_error(errors, "source", "can't be given together with flow_token");
    } else if (!has_source && !has_token) {
        add_error(errors, "flow_token", "or source is required");
    }
    if (has_token) {
        read_token(addressee, cut[Field::flow_token], std::move(query_token), errors);
    }
    if (has_source) read_source(addressee, cut[Field::source], errors);
}

}  // namespace

std::string_view to_string(RejectCode code) noexcept {
    switch (code) {
        case RejectCode::invalid_json:
            return "invalid_json";
        case RejectCode::invalid_event:
            return "invalid_event";
        case RejectCode::too_large:
            return "too_large";
        case RejectCode::unknown_source:
            return "unknown_source";
        case RejectCode::token_gone:
            return "token_gone";
        case RejectCode::queue_full:
            return "queue_full";
        case RejectCode::not_allowed:
            return "not_allowed";
        case RejectCode::shutting_down:
            return "shutting_down";
        case RejectCode::storage_failed:
            return "storage_failed";
        case RejectCode::token_queue_full:
            return "token_queue_full";
        case RejectCode::too_many_tokens:
            return "too_many_tokens";
        case RejectCode::bad_request:
            return "bad_request";
        case RejectCode::not_found:
            return "not_found";
        case RejectCode::wrong_method:
            return "wrong_method";
        case RejectCode::unsupported_type:
            return "unsupported_type";
    }
    return "unknown";
}

struct Submission::Parsed {
    explicit Parsed(std::size_t body_size) : body(body_size) {}

    Addressee addressee;
    Body body;
    std::string uuid;
    std::optional<Milliseconds> expires_in;
};

Submission::Submission(std::unique_ptr<Parsed> parsed) noexcept : parsed_(std::move(parsed)) {}
Submission::Submission(Submission&&) noexcept = default;
Submission& Submission::operator=(Submission&&) noexcept = default;
Submission::~Submission() = default;

const Addressee& Submission::addressee() const noexcept {
    return parsed_->addressee;
}

Submission Submission::copy() const {
    return Submission(std::make_unique<Parsed>(*parsed_));
}

boost::system::result<Submission, Rejection> Submission::parse(std::string_view json,
                                                               std::optional<Secret> query_token,
                                                               TextForm form) {
    json = json::skip_byte_order_mark(json);
    if (const auto error = json::check(json)) {
        return invalid_json(describe_mistake(json, *error, form));
    }
    const std::string_view object = json::trim(json);
    if (json::kind_of(object) != json::Kind::object) {
        return invalid_json(form == TextForm::line && json::kind_of(object) == json::Kind::array
                                ? "an event is a JSON object, and this is an array: send one event "
                                  "a line"
                                : "an event is a JSON object, and this is another value");
    }

    FieldErrors errors;
    Values cut;
    // Reserve room for the members that complete() usually adds.
    auto parsed = std::make_unique<Parsed>(object.size() + 64);
    Body& body = parsed->body;
    std::array<bool, event_rules::field_names.size()> seen{};
    for (json::MemberReader in(object); in.next();) {
        const json::Member& member = in.member();
        const std::optional<Field> field = event_rules::field_of(member.name);
        if (!field) {
            body.append(member.text);
            continue;
        }
        bool& was_there = seen[static_cast<std::size_t>(*field)];
        if (was_there) add_error(errors, event_rules::name_of(*field), "is there more than once");
        was_there = true;
        if (!event_rules::is_cut(*field)) {
            body.append(*field, member);
        } else if (!is_null(member.value)) {
            cut.set(*field, member.value);
        }
    }

    read_addressee(parsed->addressee, cut, std::move(query_token), errors);
    if (cut.has(Field::uuid)) {
        auto own = event_rules::read_visible_ascii(cut[Field::uuid], max_uuid_length, "\"\\");
        if (own) {
            parsed->uuid = std::move(*own);
        } else {
            add_error(
                errors, "uuid",
                "must be 1 to 128 characters of visible ASCII without quotes and backslashes");
        }
    }
    if (cut.has(Field::relay)) {
        parsed->expires_in = event_rules::read_relay(cut[Field::relay], errors);
    }

    if (!errors.empty()) {
        // The defaults of a source could still add members. Without a source, nothing can.
        if (!cut.has(Field::source)) {
            const Values values = body.values();
            event_rules::check_contents(values, errors);
            event_rules::read_thread_key(values, errors);
        }
        return invalid_event(std::move(errors));
    }
    return Submission(std::move(parsed));
}

boost::system::result<Submission::Contents, Rejection> Submission::complete(
    const EventDefaults& defaults) && {
    const std::unique_ptr<Parsed> parsed = std::move(parsed_);
    Body& body = parsed->body;
    for (const auto& [name, value] : defaults) {
        const std::optional<Field> field = event_rules::field_of(name);
        if (!field) {
            if (!body.has_other(name)) body.append(name, value);
        } else if (body.is_absent_or_null(*field)) {
            body.set(*field, value);
        }
    }
    const bool is_from_source = std::holds_alternative<SourceName>(parsed->addressee);
    if (is_from_source && body.is_absent_or_null(Field::event)) {
        body.set(Field::event, R"("activity")");
    }

    FieldErrors errors;
    const Values values = body.values();
    event_rules::check_contents(values, errors);
    std::string thread = event_rules::read_thread_key(values, errors);
    if (!errors.empty()) return invalid_event(std::move(errors));
    return Contents{std::move(body).finish(), std::move(thread), std::move(parsed->uuid),
                    parsed->expires_in};
}

std::string_view append_post_begin(std::string& out, const Secret& token, std::string_view uuid,
                                   std::string_view stored_body) {
    out += R"({"flow_token":)";
    json::append_string(out, token.reveal());
    out += R"(,"uuid":")";
    out += uuid;
    out += '"';
    const std::string_view object = json::trim(stored_body);
    const std::string_view members = json::trim(object.substr(1));
    if (members != "}") out += ',';
    return members;
}

void append_post_body(std::string& out, const Secret& token, std::string_view uuid,
                      std::string_view stored_body) {
    // 40 bytes for the names and a few escapes.
    out.reserve(out.size() + token.reveal().size() + uuid.size() + stored_body.size() + 40);
    out += append_post_begin(out, token, uuid, stored_body);
}

}  // namespace flowrelay::core
