// Works on JSON (RFC 8259) as text: checks a text once as a whole, then returns views of its parts,
// so that nothing is written again or allocated.
//
// Pure functions; any thread. Views are valid as long as the text that they refer to.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace flowrelay::core::json {

/// Maximum nesting of arrays and objects; the outermost counts as 1.
inline constexpr std::size_t max_depth = 64;

/// Maximum bytes of a string or a name between its quotes.
inline constexpr std::size_t max_string_size = 0x7FFF'FFFE;

struct SyntaxError {
    enum class Kind {
        syntax,      ///< the text at `offset` is not allowed there
        incomplete,  ///< the text ends before its value does
        extra_data,  ///< something follows the value
        too_deep,    ///< nesting exceeds max_depth
        number,      ///< an exponent beyond 31 bits
    };
    std::size_t offset;   ///< approximately where the text stops being JSON
    std::string message;  ///< "syntax error", "incomplete JSON", ...; never parts of the text
    Kind kind = Kind::syntax;
};

/// Returns nothing if `text` is exactly one JSON value in UTF-8, with optional white space around
/// it.
///
/// Uses Boost.JSON with its standard options: no comments, no trailing commas, no byte order mark.
/// It is stricter than the grammar in two ways: nesting over max_depth and an exponent beyond 31
/// bits (1e99999999999) are errors. An escaped surrogate without its other half ("\ud800") is
/// accepted (RFC 8259, section 8.2). Otherwise numbers are not limited: 1e400 is accepted, since
/// the relay does not read the value.
std::optional<SyntaxError> check(std::string_view text);

/// Returns `text` with each escaped lone surrogate replaced by "\ufffd", which has the same length;
/// nothing if there is none. For parsers that refuse such texts. `text` need not be checked.
std::optional<std::string> replace_lone_surrogates(std::string_view text);

/// Returns `text` without a leading byte order mark (RFC 8259, section 8.1).
std::string_view skip_byte_order_mark(std::string_view text) noexcept;

/// Returns a checked text without the white space around its value.
std::string_view trim(std::string_view text) noexcept;

enum class Kind { object, array, string, number, boolean, null };

/// Returns the kind of a checked value; `value` begins with its first character.
Kind kind_of(std::string_view value) noexcept;

/// Returns the text of a checked string value with its escapes resolved; `value` includes the
/// quotes. A lone surrogate becomes U+FFFD.
std::string decode_string(std::string_view value);

/// The text of a checked string value, copied only if it has escapes.
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

/// Appends `text`, which must be UTF-8, as a JSON string with quotes. Escapes control characters.
void append_string(std::string& out, std::string_view text);

/// Returns whether a checked number is written as an integer: without fraction and exponent.
bool is_integer(std::string_view number) noexcept;

struct Member {
    std::string_view text;   ///< from the opening quote of the name to the end of the value
    std::string_view name;   ///< with escapes resolved; valid until the next member
    std::string_view value;  ///< without white space around it
};

/// Reads the members of a checked object in their order:
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

/// Reads the values of a checked array in their order, like MemberReader.
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
