#include "inbox.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "json_text.hpp"

#include "flowrelay/base/ascii.hpp"

namespace flowrelay::devserver {

namespace {

struct NameValue {
    std::string_view name;
    std::string_view value;
};

std::vector<NameValue> split(std::string_view fields) {
    std::vector<NameValue> list;
    while (!fields.empty()) {
        const std::string_view line = fields.substr(0, fields.find('\n'));
        const std::size_t colon = line.find(':');
        list.push_back({line.substr(0, colon), line.substr(colon + 1)});
        fields.remove_prefix(line.size() + 1);
    }
    return list;
}

/// Names in a JSON object are unique, so the values of a repeated field are joined (RFC 9110,
/// section 5.3).
void append_fields(std::string& out, const std::vector<NameValue>& list) {
    out += '{';
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto is_this = [&](const NameValue& other) {
            return ascii::iequals(other.name, list[i].name);
        };
        const auto begin = list.begin() + static_cast<std::ptrdiff_t>(i);
        if (std::any_of(list.begin(), begin, is_this)) continue;
        if (i > 0) out += ',';
        append_json_string(out, list[i].name);
        out += ':';
        std::string value(list[i].value);
        for (auto other = begin + 1; other != list.end(); ++other) {
            if (is_this(*other)) value.append(", ").append(other->value);
        }
        append_json_string(out, value);
    }
    out += '}';
}

}  // namespace

void Received::set_fields(std::span<const http::Field> list) {
    fields.clear();
    for (const http::Field& field : list) {
        fields.append(field.name).append(":").append(field.value).append("\n");
    }
}

void append_json(std::string& out, const Received& received) {
    const auto fields = split(received.fields);
    const auto key = std::find_if(fields.begin(), fields.end(), [](const NameValue& field) {
        return ascii::iequals(field.name, "Idempotency-Key");
    });
    fmt::format_to(std::back_inserter(out), R"({{"n":{},"at":"{}","connection":{},"method":)",
                   received.n, format_time(received.at), received.connection);
    append_json_string(out, received.method);
    out += R"(,"path":)";
    append_json_string(out, received.path);
    fmt::format_to(std::back_inserter(out), R"(,"status":{},"taken":{},"idempotency_key":)",
                   received.status, received.taken);
    append_json_string(out, key == fields.end() ? std::string_view() : key->value);
    out += R"(,"headers":)";
    append_fields(out, fields);
    out += R"(,"body":)";
    append_json_string(out, received.body);
    out += '}';
}

Received& Inbox::add() {
    ++count_;
    Received* slot = &unkept_;
    if (capacity_ > 0) {
        const auto index = static_cast<std::size_t>((count_ - 1) % capacity_);
        if (index == ring_.size()) ring_.emplace_back();
        slot = &ring_[index];
    }
    slot->n = count_;
    return *slot;
}

void Inbox::append_json_array(std::string& out, std::uint64_t since, std::size_t limit) const {
    const std::uint64_t overwritten = count_ > capacity_ ? count_ - capacity_ : 0;
    out += '[';
    std::string_view comma;
    for (std::uint64_t n = std::max({since, cleared_, overwritten}); n < count_ && limit > 0;
         ++n, --limit) {
        out += comma;
        append_json(out, ring_[static_cast<std::size_t>(n % capacity_)]);
        comma = ",\n";
    }
    out += ']';
}

}  // namespace flowrelay::devserver
