// Makes untrusted text safe for log lines, terminals and JSON. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flowrelay::app {

/// Returns whether a terminal or a line reader may treat the code point as something other than
/// text: C0 and C1 control characters, line and paragraph separators, characters that change the
/// writing direction, and invisible characters.
bool is_control(char32_t code) noexcept;

/// Determines which characters of one text must be escaped or replaced. Joiners and variation
/// selectors are kept after a non-ASCII character, where words and emoji need them.
class HiddenCharacters {
public:
    /// Takes the next code point of the text. Returns whether to hide it: is_control(), unless
    /// words or emoji need it there.
    bool hides(char32_t code) noexcept;

private:
    char32_t before_ = 0;  ///< previous code point, unless that was hidden
};

/// Appends "\u200b"; above U+FFFF a pair of them (RFC 8259, section 7).
void append_json_escape(std::string& out, char32_t code);

/// Appends a quoted JSON string (RFC 8259), which is valid in logfmt as well. Escapes control
/// characters, replaces invalid UTF-8 by U+FFFD, and truncates values after 2048 bytes ("…").
void append_quoted(std::string& out, std::string_view value);

/// Returns the text with U+FFFD in place of control characters and invalid UTF-8.
std::string printable(std::string_view text);

/// Returns "1 event", "2 events": for words whose plural ends with an s.
std::string counted(std::uint64_t number, std::string_view what);

}  // namespace flowrelay::app
