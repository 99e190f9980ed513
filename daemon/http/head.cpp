#include "head.hpp"

#include <algorithm>
#include <array>

#include "flowrelay/base/ascii.hpp"

namespace flowrelay::http {

namespace {

constexpr std::array<bool, 256> in_token = [] {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";
    std::array<bool, 256> in{};
    for (std::size_t c = 0; c < in.size(); ++c) in[c] = ascii::is_word(static_cast<char>(c), marks);
    return in;
}();

}  // namespace

bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return in_token[static_cast<unsigned char>(c)];
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
        if (ascii::iequals(text(entry.name), name)) return text(entry.value);
    }
    return {};
}

std::string Head::joined_field(std::string_view name) const {
    std::string list;
    for (const Entry& entry : entries_) {
        if (!ascii::iequals(text(entry.name), name)) continue;
        if (!list.empty()) list += ", ";
        list += text(entry.value);
    }
    return list;
}

std::size_t Head::count(std::string_view name) const noexcept {
    return static_cast<std::size_t>(
        std::count_if(entries_.begin(), entries_.end(),
                      [&](const Entry& entry) { return ascii::iequals(text(entry.name), name); }));
}

void Head::clear() noexcept {
    text_.clear();
    entries_.clear();
    fields_.clear();
}

}  // namespace flowrelay::http
