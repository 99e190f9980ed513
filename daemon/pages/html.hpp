// Generates the HTML of the pages. Escapes text where it enters, and gives all pages the same
// frame. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::pages {

/// Escapes text for use in an element or a quoted attribute, and removes control characters.
std::string escape(std::string_view text);

/// Returns a whole page without scripts or external resources. `title` is text, `body` is HTML.
std::string page(std::string_view title, const std::string& body);

/// Returns the CSP source of the style sheet in each page: "'sha256-...'".
std::string style_source();

/// Returns a paragraph with a text.
std::string paragraph(std::string_view text);

/// Returns a row of a description list; empty if `text` is empty.
std::string row(std::string_view name, std::string_view text);

/// Returns a form that POSTs to `action`, with the CSRF token. `fields` is HTML.
std::string form(std::string_view action, std::string_view csrf, const std::string& fields);

/// A field of a form with its label and an optional hint. All strings are text, not HTML.
struct Input {
    std::string name;
    std::string label;
    std::string value;
    std::string hint;
    bool required = false;
};
std::string text_input(const Input& input);
std::string text_area(const Input& input);

/// Returns an input of the type "radio" or "checkbox".
std::string choice(std::string_view type, std::string_view name, std::string_view value,
                   std::string_view label, bool checked);

/// Returns a button. If it is pressed, the form sends `name` with the value "yes"; nothing if
/// empty.
std::string button(std::string_view label, std::string_view name = {});

}  // namespace flowrelay::pages
