#include "head.hpp"

#include <algorithm>

namespace flowrelay::http {

namespace {

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

bool iequals(std::string_view a, std::string_view b) noexcept {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view text) noexcept {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
               marks.find(c) != std::string_view::npos;
    });
}

Head::Slice Head::add_text(std::string_view text) {
    const Slice slice{text_.size(), text.size()};
    text_.append(text);
    return slice;
}

void Head::add_field(std::string_view name, std::string_view value) {
    const Slice name_slice = add_text(name);
    const Slice value_slice = add_text(value);
    entries_.push_back({name_slice, value_slice});
}

void Head::finish() {
    fields_.reserve(entries_.size());
    for (const Entry& entry : entries_) fields_.push_back({text(entry.name), text(entry.value)});
}

std::string_view Head::text(Slice slice) const noexcept {
    return std::string_view(text_).substr(slice.at, slice.size);
}

std::string_view Head::field(std::string_view name) const noexcept {
    for (const Entry& entry : entries_) {
        if (iequals(text(entry.name), name)) return text(entry.value);
    }
    return {};
}

std::size_t Head::count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(
        std::count_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return iequals(text(entry.name), name); }));
}

void Head::clear() noexcept {
    text_.clear();
    entries_.clear();
    fields_.clear();
}

}  // namespace flowrelay::http
