// Text from outside, made fit for a log line, a terminal or a JSON text. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flowrelay::app {

/// Whether a terminal or a reader of lines could take the code point for something else than text:
/// control characters of C0 and C1, line and paragraph separators, characters that change the
/// direction of writing, and those that are not seen at all.
bool is_control(char32_t code) noexcept;

/// Tells which characters of one text have to be shown in another way. Joiners and variation
/// selectors stay where words and emoji are spelled with them: behind a character outside ASCII.
class HiddenCharacters {
public:
    /// Takes the next code point of the text. Returns whether it is_control() and spells nothing.
    bool hides(char32_t code) noexcept;

private:
    char32_t before_ = 0;  ///< the code point before, unless that was hidden
};

/// "\u200b"; above U+FFFF two of them (RFC 8259, 7).
void append_json_escape(std::string& out, char32_t code);

/// As a JSON string in quotes (RFC 8259), which logfmt reads as well. Control characters are
/// escaped, invalid UTF-8 becomes U+FFFD, what is beyond 2048 bytes is cut off ("…").
void append_quoted(std::string& out, std::string_view value);

/// The same text, with U+FFFD in the place of control characters and of bytes that are not UTF-8.
std::string printable(std::string_view text);

/// "1 event", "2 events": for words whose plural ends with an s.
std::string counted(std::uint64_t number, std::string_view what);

}  // namespace flowrelay::app
