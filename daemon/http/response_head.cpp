#include "response_head.hpp"

#include <algorithm>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/number.hpp"

namespace flowrelay::http {

namespace {

// Larger lengths could overflow the counters of other programs.
constexpr std::uint64_t max_length = (std::uint64_t{1} << 63U) - 1;

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

std::string_view without_blanks(std::string_view text) noexcept {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

/// Calls `take` for each non-empty member of a comma-separated list.
template <class Take>
void for_each_member(std::string_view list, Take take) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(','), list.size());
        const std::string_view member = without_blanks(list.substr(0, end));
        if (!member.empty()) take(member);
        list.remove_prefix(std::min(end + 1, list.size()));
    }
}

}  // namespace

// Parses "HTTP/1.1 202 Accepted". The reason may be missing, with or without the space before it.
bool ResponseHead::add_status_line(std::string_view line) {
    constexpr std::string_view name = "HTTP/";
    if (!ascii::iequals(line.substr(0, name.size()), name)) return false;
    if (!line.starts_with(name)) note_quirk("the name of the protocol is not in capitals");
    line.remove_prefix(name.size());
    if (line.empty() || line[0] < '1' || line[0] > '3') return false;
    const char major = line[0];
    line.remove_prefix(1);
    if (line.size() >= 2 && line[0] == '.' && ascii::is_digit(line[1])) {
        minor_version_ = line[1] - '0';
        line.remove_prefix(2);
    } else if (major == '1') {
        return false;
    }
    if (major != '1' || minor_version_ > 1) note_quirk("the version is not HTTP/1.0 or HTTP/1.1");
    const std::size_t at = std::min(line.find_first_not_of(" \t"), line.size());
    if (at == 0) return false;
    if (at != 1 || line[0] != ' ') note_quirk("more than one blank stands before the status");
    line.remove_prefix(at);
    if (line.size() < 3 || !std::all_of(line.begin(), line.begin() + 3, ascii::is_digit))
        return false;
    if (line.size() > 3 && ascii::is_digit(line[3])) return false;
    if (line.size() > 3 && !is_blank(line[3])) note_quirk("no blank follows the status");
    code_ = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    if (ascii::has_control(line)) note_quirk("the status line has a control character");
    return code_ >= 100 && code_ <= 599;
}

void ResponseHead::add_field_line(std::string_view line) {
    if (is_blank(line.front())) {
        note_quirk("a header field goes on in another line");
        if (!line_.empty()) line_.append(1, ' ').append(ascii::trim(line));
        return;
    }
    end_field();
    line_ = line;
}

void ResponseHead::end_field() {
    if (line_.empty()) return;
    const std::string_view line = line_;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
        note_quirk("a header field has no colon");
    } else {
        const std::string_view name = without_blanks(line.substr(0, colon));
        const std::string_view value = without_blanks(line.substr(colon + 1));
        if (name.size() != colon) note_quirk("a blank stands before the colon of a header field");
        if (!is_token(name)) note_quirk("the name of a header field is none");
        if (ascii::has_control(value)) note_quirk("a header field has a control character");
        if (wants(name)) fields_.add_field(name, value);
        heed(name, value);
    }
    line_.clear();
}

bool ResponseHead::wants(std::string_view name) const noexcept {
    const auto is_it = [name](std::string_view other) { return ascii::iequals(name, other); };
    return wanted_.empty() || std::ranges::any_of(wanted_, is_it);
}

void ResponseHead::heed(std::string_view name, std::string_view value) {
    // Most fields are none of these, which their length shows.
    if (name.size() != 14 && name.size() != 17 && name.size() != 10 && name.size() != 16) return;
    if (ascii::iequals(name, "Content-Length")) {
        add_length(value);
    } else if (ascii::iequals(name, "Transfer-Encoding")) {
        add_codings(value);
    } else if (ascii::iequals(name, "Connection")) {
        add_options(value);
    } else if (ascii::iequals(name, "Content-Encoding")) {
        for_each_member(value, [this](std::string_view coding) {
            if (!ascii::iequals(coding, "identity")) plain_ = false;
        });
    }
}

// The same length may be repeated (RFC 9110, section 8.6).
void ResponseHead::add_length(std::string_view value) {
    bool any = false;
    for_each_member(value, [&](std::string_view member) {
        any = true;
        const auto length = parse_number<std::uint64_t>(member);
        const bool other = has_length_ && length != length_;
        if (!length || *length > max_length || other) bad_length_ = true;
        length_ = length.value_or(0);
        has_length_ = true;
    });
    if (!any) bad_length_ = true;
}

void ResponseHead::add_codings(std::string_view value) {
    bool any = false;
    for_each_member(value, [&](std::string_view coding) {
        any = true;
        if (has_codings_) note_quirk("there is more than one Transfer-Encoding");
        has_codings_ = true;
        chunked_ = ascii::iequals(coding, "chunked");
        if (!chunked_) plain_ = false;
    });
    if (!any) note_quirk("the Transfer-Encoding is empty");
}

void ResponseHead::add_options(std::string_view value) {
    for_each_member(value, [this](std::string_view option) {
        if (ascii::iequals(option, "close")) close_ = true;
        if (ascii::iequals(option, "keep-alive")) keep_ = true;
    });
}

void ResponseHead::finish() {
    end_field();
    if (code_ < 200 || code_ == 204 || code_ == 304) {
        framing_ = Framing::none;
    } else if (has_codings_) {
        framing_ = chunked_ ? Framing::chunked : Framing::unclear;
        if (!chunked_) note_quirk("the Transfer-Encoding is not chunked");
        contradiction_ = has_length_ || bad_length_;
        if (contradiction_) note_quirk("there is a Content-Length beside the Transfer-Encoding");
    } else if (bad_length_) {
        framing_ = Framing::unclear;
        note_quirk("the Content-Length is no number, or there are two");
    } else {
        framing_ = has_length_ ? Framing::counted : Framing::until_end;
    }
    contradiction_ = contradiction_ || framing_ == Framing::unclear;
}

bool ResponseHead::keeps_connection() const noexcept {
    if (close_ || !quirk_.empty() || framing_ == Framing::until_end) return false;
    // RFC 9112, section 6.1: the framing of a chunked HTTP/1.0 message can't be trusted.
    return minor_version_ >= 1 || (keep_ && framing_ != Framing::chunked);
}

void ResponseHead::clear() noexcept {
    fields_.clear();
    line_.clear();
    quirk_ = {};
    code_ = 0;
    minor_version_ = 1;
    close_ = keep_ = has_length_ = bad_length_ = has_codings_ = chunked_ = contradiction_ = false;
    plain_ = true;
    length_ = 0;
    framing_ = Framing::none;
}

}  // namespace flowrelay::http
