#include "oauth_pages.hpp"

#include <fmt/format.h>

namespace flowrelay::devserver {

namespace {

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&') {
            out += "&amp;";
        } else if (c == '<') {
            out += "&lt;";
        } else if (c == '>') {
            out += "&gt;";
        } else if (c == '"') {
            out += "&quot;";
        } else {
            out += c;
        }
    }
    return out;
}

http::Response framed(int status, std::string_view heading, std::string_view content) {
    http::Response response;
    response.status = status;
    response.content_type = "text/html; charset=utf-8";
    response.fields = {{"Cache-Control", "no-store"},
                       {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
                       {"Referrer-Policy", "no-referrer"}};
    response.body = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<title>{0}</title></head>\n<body><main><h1>{0}</h1>\n{1}</main></body></html>\n",
        escaped(heading), content);
    return response;
}

}  // namespace

http::Response page(int status, std::string_view heading, std::string_view text) {
    return framed(status, heading, fmt::format("<p>{}</p>", escaped(text)));
}

http::Response consent_page(std::string_view application, std::string_view scopes,
                            std::string_view form_token) {
    return framed(200, "Allow access?",
                  fmt::format("<p>The application {} asks for: {}</p>\n"
                              "<form method=\"post\" action=\"/oauth/authorize\">"
                              "<input type=\"hidden\" name=\"authenticity_token\" value=\"{}\">"
                              "<button name=\"decision\" value=\"allow\">Allow</button> "
                              "<button name=\"decision\" value=\"deny\">Deny</button></form>",
                              escaped(application), escaped(scopes), escaped(form_token)));
}

http::Response code_page(std::string_view code) {
    return framed(200, "Authorization code",
                  fmt::format("<p>Give this code to the application:</p>\n"
                              "<p><code id=\"authorization_code\">{}</code></p>",
                              escaped(code)));
}

}  // namespace flowrelay::devserver
