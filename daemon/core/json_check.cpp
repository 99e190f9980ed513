// Only this file instantiates Boost.JSON's parser.
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>

#include "flowrelay/core/json.hpp"

namespace flowrelay::core::json {

namespace {

using boost::system::error_code;
using View = boost::json::string_view;

// Accepts every parser event and stores nothing: only success at the end matters.
struct Ignore {
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = json::max_string_size;
    static constexpr std::size_t max_key_size = json::max_string_size;

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code&) { return true; }
    bool on_object_end(std::size_t, error_code&) { return true; }
    bool on_array_begin(error_code&) { return true; }
    bool on_array_end(std::size_t, error_code&) { return true; }
    bool on_key_part(View, std::size_t, error_code&) { return true; }
    bool on_key(View, std::size_t, error_code&) { return true; }
    bool on_string_part(View, std::size_t, error_code&) { return true; }
    bool on_string(View, std::size_t, error_code&) { return true; }
    bool on_number_part(View, error_code&) { return true; }
    bool on_int64(std::int64_t, View, error_code&) { return true; }
    bool on_uint64(std::uint64_t, View, error_code&) { return true; }
    bool on_double(double, View, error_code&) { return true; }
    bool on_bool(bool, error_code&) { return true; }
    bool on_null(error_code&) { return true; }
    bool on_comment_part(View, error_code&) { return true; }
    bool on_comment(View, error_code&) { return true; }
};

SyntaxError::Kind kind_of(const error_code& error) noexcept {
    using Kind = SyntaxError::Kind;
    if (error == boost::json::error::incomplete) return Kind::incomplete;
    if (error == boost::json::error::extra_data) return Kind::extra_data;
    if (error == boost::json::error::too_deep) return Kind::too_deep;
    if (error == boost::json::error::exponent_overflow) return Kind::number;
    return Kind::syntax;
}

std::size_t parse(std::string_view text, error_code& error) {
    boost::json::parse_options options;
    options.max_depth = max_depth;
    boost::json::basic_parser<Ignore> parser(options);
    const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
    if (!error && read < text.size()) error = boost::json::error::extra_data;
    return read;
}

}  // namespace

std::optional<SyntaxError> check(std::string_view text) {
    error_code error;
    std::size_t read = parse(text, error);
    if (!error) return std::nullopt;
    // Boost.JSON refuses lone surrogates, with several error codes.
    if (const auto mended = replace_lone_surrogates(text)) {
        error.clear();
        read = parse(*mended, error);
        if (!error) return std::nullopt;
    }
    return SyntaxError{read, error.message(), kind_of(error)};
}

}  // namespace flowrelay::core::json
