// HTML of the pages: text is escaped where it enters, and all pages have the same frame. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>

namespace flowrelay::pages {

/// The text as HTML, fit for an element and for a quoted attribute, without control characters.
std::string escape(std::string_view text);

/// A whole page without scripts and without anything from elsewhere. `title`: text. `body`: HTML.
std::string page(std::string_view title, const std::string& body);

/// The CSP source of the style sheet that each page carries: "'sha256-...'".
std::string style_source();

/// A paragraph of a text.
std::string paragraph(std::string_view text);

/// A row of a description list; nothing if there is no text.
std::string row(std::string_view name, std::string_view text);

/// A form that POSTs to `action`, with the token that shows that the page is ours. `fields`: HTML.
std::string form(std::string_view action, std::string_view csrf, const std::string& fields);

/// A field of a form with its label and, if not empty, a hint. All are texts.
struct Input {
    std::string name;
    std::string label;
    std::string value;
    std::string hint;
    bool required = false;
};
std::string text_input(const Input& input);
std::string text_area(const Input& input);

/// `type`: "radio" or "checkbox".
std::string choice(std::string_view type, std::string_view name, std::string_view value,
                   std::string_view label, bool checked);

/// `name`: sent with the value "yes" if this button is pressed; empty: sends nothing of its own.
std::string button(std::string_view label, std::string_view name = {});

}  // namespace flowrelay::pages
