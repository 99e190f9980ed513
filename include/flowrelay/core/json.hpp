// JSON texts (RFC 8259) that stay texts: they are checked once as a whole, and then taken apart
// into views of their parts, so that nothing is spelled anew and nothing is allocated.
//
// Pure functions; any thread. Views live as long as the text they were taken from.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace flowrelay::core::json {

/// The most that arrays and objects may be nested; the outermost counts as 1.
inline constexpr std::size_t max_depth = 64;

/// The most that a string, also a name, may have in bytes between its quotes.
inline constexpr std::size_t max_string_size = 0x7FFF'FFFE;

struct SyntaxError {
    enum class Kind {
        syntax,      ///< what stands at `offset` can't stand there
        incomplete,  ///< the text ends before its value does
        extra_data,  ///< something follows the value
        too_deep,    ///< nested over max_depth
        number,      ///< an exponent beyond 31 bits
    };
    std::size_t offset;   ///< where the text stops being JSON, about to the byte
    std::string message;  ///< "syntax error", "incomplete JSON", ...; without parts of the text
    Kind kind = Kind::syntax;
};

/// Nothing if `text` is exactly one JSON value in UTF-8, white space around it allowed.
///
/// Checked by Boost.JSON with its standard options: no comments, no trailing commas, no byte order
/// mark. Narrower than the grammar in two ways: nesting over max_depth and an exponent beyond 31
/// bits (1e99999999999) are errors. An escaped surrogate without its other half ("\ud800") is fine
/// (RFC 8259, section 8.2).
/// A number may else be as long and as large as it likes: 1e400 is fine, since no one reads it.
std::optional<SyntaxError> check(std::string_view text);

/// `text` with each escaped surrogate that has no other half replaced by "\ufffd", which is as
/// long; nothing when it has none. For parsers that refuse such texts. `text` need not be checked.
std::optional<std::string> replace_lone_surrogates(std::string_view text);

/// `text` without a byte order mark in front (RFC 8259, section 8.1).
std::string_view skip_byte_order_mark(std::string_view text) noexcept;

/// A checked text without the white space around its value.
std::string_view trim(std::string_view text) noexcept;

enum class Kind { object, array, string, number, boolean, null };

/// What a checked value is; `value` begins with its first character.
Kind kind_of(std::string_view value) noexcept;

/// A checked string value, quotes included, with its escapes resolved. Half of a surrogate pair
/// becomes U+FFFD.
std::string decode_string(std::string_view value);

/// What a checked string value says, without a copy of it unless it has escapes.
class StringText {
public:
    /// `value` includes the quotes.
    explicit StringText(std::string_view value);
    StringText(const StringText&) = delete;
    StringText& operator=(const StringText&) = delete;

    std::string_view view() const noexcept { return view_; }

private:
    std::string decoded_;
    std::string_view view_;
};

/// Writes `text`, which is UTF-8, as a string with quotes. Control characters are escaped.
void append_string(std::string& out, std::string_view text);

/// Whether a checked number is spelled as an integer: no fraction, no exponent.
bool is_integer(std::string_view number) noexcept;

struct Member {
    std::string_view text;   ///< from the opening quote of the name to the end of the value
    std::string_view name;   ///< what it means, its escapes resolved; valid until the next one
    std::string_view value;  ///< without white space around it
};

/// Walks through the members of a checked object in their order:
///     for (MemberReader in(object); in.next();) use(in.member());
class MemberReader {
public:
    /// `object` begins with its bracket.
    explicit MemberReader(std::string_view object) noexcept;
    MemberReader(const MemberReader&) = delete;
    MemberReader& operator=(const MemberReader&) = delete;

    bool next();
    const Member& member() const noexcept { return member_; }

private:
    const char* at_;
    const char* end_;
    Member member_{};
    std::string decoded_name_;
};

/// The same for the values of a checked array.
class ElementReader {
public:
    /// `array` begins with its bracket.
    explicit ElementReader(std::string_view array) noexcept;
    bool next() noexcept;
    std::string_view value() const noexcept { return value_; }

private:
    const char* at_;
    const char* end_;
    std::string_view value_;
};

}  // namespace flowrelay::core::json
