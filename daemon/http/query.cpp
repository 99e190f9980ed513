#include <fmt/format.h>

#include <optional>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/request_writer.hpp"

namespace flowrelay::http {

namespace {

/// Percent-decodes, with "+" as a space. Keeps a '%' that is not followed by two hexadecimal
/// digits.
std::string decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            const auto high = ascii::hex_digit(text[i + 1]);
            const auto low = ascii::hex_digit(text[i + 2]);
            if (high && low) {
                out.push_back(static_cast<char>(*high * 16 + *low));
                i += 2;
                continue;
            }
        }
        out.push_back(text[i] == '+' ? ' ' : text[i]);
    }
    return out;
}

}  // namespace

std::string query_parameter(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const std::size_t end = query.find('&');
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
        const std::size_t equals = pair.find('=');
        if (decode(pair.substr(0, equals)) != name) continue;
        return equals == std::string_view::npos ? std::string() : decode(pair.substr(equals + 1));
    }
    return {};
}

std::string url_encode(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (ascii::is_word(c, "-._~")) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

}  // namespace flowrelay::http
