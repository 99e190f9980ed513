#include "pages/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/digest.hpp"

namespace flowrelay::pages {

namespace {

// The layout scales with the user's font, supports light and dark, and does not rely on colour
// alone to mark what is focused, checked or wrong.
constexpr std::string_view style = R"(
:root{color-scheme:light dark}
body{font:100%/1.5 system-ui,sans-serif;overflow-wrap:anywhere;margin:0 auto;max-width:36rem;padding:1rem}
h1{font-size:1.5rem;line-height:1.25}
h2{font-size:1.15rem;margin-top:2rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}
dt{font-weight:bold}
dd{margin:0;overflow-wrap:anywhere}
fieldset{border:1px solid;border-radius:.25rem;margin:1rem 0;padding:.5rem 1rem}
legend{font-weight:bold}
label{display:block;font-weight:bold;margin-top:1rem}
.choice{display:flex;gap:.75rem;margin:0;padding:.4rem 0}
.choice label{font-weight:normal;margin:0;overflow-wrap:anywhere}
.hint{margin:.25rem 0}
input[type=text],textarea{box-sizing:border-box;font:inherit;padding:.5rem;width:100%}
button{font:inherit;font-weight:bold;margin-top:1rem;min-height:2.75rem;padding:.5rem 1.25rem}
:focus-visible{outline:3px solid;outline-offset:2px}
[role=alert]{border:2px solid;border-left-width:.75rem;padding:0 1rem}
[role=status]{border:2px solid;padding:0 1rem}
@media (max-width:30rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}button{width:100%}}
)";

std::string area_or_input(const Input& input, bool is_area) {
    const std::string name = escape(input.name);
    std::string out = fmt::format("<label for=\"{}\">{}</label>", name, escape(input.label));
    std::string attributes = fmt::format("id=\"{0}\" name=\"{0}\"", name);
    if (!input.hint.empty()) {
        out += fmt::format("<p class=\"hint\" id=\"{}-hint\">{}</p>", name, escape(input.hint));
        attributes += fmt::format(" aria-describedby=\"{}-hint\"", name);
    }
    if (input.required) attributes += " required";
    // The input is names, so browsers should not correct it.
    attributes += " autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\"";
    if (is_area) {
        // HTML drops a line break at the beginning.
        std::string lines;
        for (std::string_view rest = input.value; !rest.empty();) {
            const std::size_t end = std::min(rest.find('\n'), rest.size());
            lines += escape(rest.substr(0, end)) + "\n";
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        return out + fmt::format("<textarea {} rows=\"3\">\n{}</textarea>", attributes, lines);
    }
    return out +
           fmt::format("<input type=\"text\" {} value=\"{}\">", attributes, escape(input.value));
}

}  // namespace

std::string escape(std::string_view text) {
    std::string out;
    for (const char c : app::printable(text)) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string page(std::string_view title, const std::string& body) {
    return fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<title>{0} - flowrelay</title><style>{1}</style></head>\n"
        "<body><main><h1>{0}</h1>{2}</main></body></html>\n",
        escape(title), style, body);
}

std::string style_source() {
    // CSP also accepts base64url (CSP3, 2.3.1), with the padding.
    return fmt::format("'sha256-{}='", base64url(sha256(style)));
}

std::string paragraph(std::string_view text) {
    return fmt::format("<p>{}</p>", escape(text));
}

std::string row(std::string_view name, std::string_view text) {
    if (text.empty()) return {};
    return fmt::format("<dt>{}</dt><dd>{}</dd>", escape(name), escape(text));
}

std::string form(std::string_view action, std::string_view csrf, const std::string& fields) {
    return fmt::format(
        "<form method=\"post\" action=\"{}\">"
        "<input type=\"hidden\" name=\"csrf\" value=\"{}\">{}</form>",
        escape(action), escape(csrf), fields);
}

std::string text_input(const Input& input) {
    return area_or_input(input, false);
}

std::string text_area(const Input& input) {
    return area_or_input(input, true);
}

std::string choice(std::string_view type, std::string_view name, std::string_view value,
                   std::string_view label, bool checked) {
    const std::string id = escape(fmt::format("{}-{}", name, value));
    return fmt::format(
        "<div class=\"choice\"><input type=\"{0}\" id=\"{1}\" name=\"{2}\" value=\"{3}\"{4}>"
        "<label for=\"{1}\">{5}</label></div>",
        escape(type), id, escape(name), escape(value), checked ? " checked" : "", escape(label));
}

std::string button(std::string_view label, std::string_view name) {
    const std::string sends =
        name.empty() ? std::string() : fmt::format(" name=\"{}\" value=\"yes\"", escape(name));
    return fmt::format("<button type=\"submit\"{}>{}</button>", sends, escape(label));
}

}  // namespace flowrelay::pages
