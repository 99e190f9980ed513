#include "cli/support_text.hpp"

#include <algorithm>
#include <array>

#include "flowrelay/base/ascii.hpp"

namespace flowrelay::cli {

namespace {

constexpr std::string_view left_out = "(left out)";

/// Returns the end of a quoted value: its closing quote, or the end of the text.
std::size_t end_of_quoted(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            return at;
        }
    }
    return text.size();
}

/// Returns the part of a reason that the relay itself wrote: all of it, or "HTTP 422: ".
std::size_t own_part(std::string_view reason, bool is_all_of_server) {
    if (is_all_of_server) return 0;
    constexpr std::string_view begins = "HTTP ";
    if (!reason.starts_with(begins)) return reason.size();
    std::size_t at = begins.size();
    while (at < reason.size() && ascii::is_digit(reason[at])) ++at;
    return reason.substr(at).starts_with(": ") ? at + 2 : reason.size();
}

/// Returns whether the line is about a dead letter, whose reason has no status in front.
bool is_of_dead_letter(std::string_view line) {
    return line.find("delivery.dead") != line.npos;
}

std::string masked_line(std::string_view line) {
    struct Form {
        std::string_view before;
        bool quoted;
        bool is_all_of_server = false;
    };
    // The URL of settings may be a secret link.
    constexpr std::array forms{Form{"\"reason\":\"", true}, Form{" reason=\"", true},
                               Form{" reason=", false},
                               Form{"\"configuration_uri\":\"", true, true}};
    std::string out;
    while (true) {
        const Form* form = nullptr;
        std::size_t begin = line.npos;
        for (const Form& each : forms) {
            const std::size_t at = line.find(each.before);
            if (at >= begin) continue;
            begin = at;
            form = &each;
        }
        if (form == nullptr) return out.append(line);
        const bool is_all_of_server =
            form->is_all_of_server || is_of_dead_letter(line) || is_of_dead_letter(out);
        const std::size_t start = begin + form->before.size();
        const std::string_view rest = line.substr(start);
        const std::size_t size =
            form->quoted ? end_of_quoted(rest) : std::min(rest.find_first_of(" \n"), rest.size());
        const std::size_t own = own_part(rest.substr(0, size), is_all_of_server);
        out.append(line.substr(0, start + own));
        if (own < size) out.append(left_out);
        line.remove_prefix(start + size);
    }
}

}  // namespace

std::string without_server_words(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::size_t size = end == text.npos ? text.size() : end + 1;
        out += masked_line(text.substr(0, size));
        text.remove_prefix(size);
    }
    return out;
}

}  // namespace flowrelay::cli
