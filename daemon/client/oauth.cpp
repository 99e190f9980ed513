#include "flowrelay/client/oauth.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <stdexcept>
#include <utility>

#include "flowrelay/app/connect_settings.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/digest.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/request_writer.hpp"

namespace flowrelay::client {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_code = 2048;
constexpr std::size_t longest_description = 500;

Error strange_grant(std::string message) {
    return {make_error_code(boost::system::errc::protocol_error), std::move(message)};
}

constexpr std::string_view oauth_blanks = " \t\r\n";

/// Returns the "https://host:port" of a URL, in lower case.
std::string origin_of(std::string_view url) {
    const std::size_t scheme = url.find("://");
    if (scheme == url.npos) return {};
    return ascii::lower(url.substr(0, url.find_first_of("/?#", scheme + 3)));
}

bool is_code(std::string_view text) {
    return !text.empty() && text.size() <= longest_code &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

/// Makes a text safe to print: without secrets, and of limited length.
std::string quotable(std::string text, const std::vector<Secret>& secrets) {
    for (const Secret& secret : secrets) {
        if (secret.empty()) continue;
        for (auto at = text.find(secret.reveal()); at != text.npos;
             at = text.find(secret.reveal(), at)) {
            text.replace(at, secret.reveal().size(), "[secret]");
        }
    }
    if (text.size() > longest_description) text.resize(longest_description);
    return app::printable(text);
}

/// Formats an error of the authorization or token endpoint: "access_denied (The user said no)".
std::string error_text(const std::string& code, const std::string& description,
                       const std::vector<Secret>& secrets) {
    const std::string text = quotable(code, secrets);
    return description.empty() ? text
                               : fmt::format("{} ({})", text, quotable(description, secrets));
}

Grant foreign(std::string why) {
    return {Grant::Kind::foreign, std::move(why)};
}

/// Parses a query whose state was checked.
Grant read_grant(std::string_view query, const AuthorizationRequest& request) {
    const std::string issuer = http::query_parameter(query, "iss");
    if (!issuer.empty() && origin_of(issuer) != origin_of(request.authorize_url)) {
        return {Grant::Kind::refused,
                fmt::format("the answer is from {} and not from {}: this may be a mix-up of two "
                            "servers; nothing was sent to either",
                            quotable(issuer, {}), origin_of(request.authorize_url))};
    }
    const std::string error = http::query_parameter(query, "error");
    if (!error.empty()) {
        return {Grant::Kind::refused,
                error_text(error, http::query_parameter(query, "error_description"), {})};
    }
    std::string code = http::query_parameter(query, "code");
    if (!is_code(code)) return foreign("there is no code in it");
    return {Grant::Kind::code, std::move(code)};
}

/// The members of a flat JSON object or of a form, by name.
class TokenAnswer {
public:
    explicit TokenAnswer(std::string_view body) : body_(ascii::trim(body, oauth_blanks)) {
        if (!body_.starts_with('{')) return;
        boost::system::error_code error;
        json::value parsed = json::parse(body_, error);
        if (!error && parsed.is_object()) object_ = std::move(parsed.get_object());
        is_json_ = true;
    }
    std::string get(std::string_view name) const {
        if (!is_json_) return http::query_parameter(body_, name);
        const json::value* value = object_.if_contains(name);
        if (value == nullptr || !value->is_string()) return {};
        return std::string(value->get_string());
    }

private:
    std::string_view body_;
    json::object object_;
    bool is_json_ = false;
};

std::string advice_for(std::string_view code) {
    if (code == "invalid_client") {
        return "the server does not know the application, or the secret is not its: compare "
               "connect.client_id and the file of connect.client_secret_file with the page of the "
               "application";
    }
    if (code == "invalid_grant") {
        return "the code is mistyped, expired or was used before, or connect.redirect_uri is not "
               "exactly what is registered for the application";
    }
    if (code == "unauthorized_client" || code == "unsupported_grant_type") {
        return "the application may not use authorization codes: look at its page at the server";
    }
    if (code == "invalid_scope") return "look at connect.scopes";
    if (code == "invalid_request") return "is connect.token_url right?";
    return {};
}

}  // namespace

std::string random_word(std::size_t bytes) {
    std::vector<std::uint8_t> random(bytes);
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(bytes)) {
        throw std::runtime_error("the kernel gives no random bytes");
    }
    return base64url(random);
}

std::string pkce_challenge(std::string_view verifier) {
    return base64url(sha256(verifier));
}

std::string authorization_url(const AuthorizationRequest& request) {
    return fmt::format(
        "{}?response_type=code&client_id={}&redirect_uri={}&scope={}&state={}"
        "&code_challenge={}&code_challenge_method=S256",
        request.authorize_url, http::url_encode(request.client_id),
        http::url_encode(request.redirect_uri), http::url_encode(request.scopes),
        http::url_encode(request.state), http::url_encode(pkce_challenge(request.verifier)));
}

Grant read_callback(std::string_view query, const AuthorizationRequest& request) {
    if (http::query_parameter(query, "state") != request.state) {
        return foreign("it belongs to another request (its state differs)");
    }
    return read_grant(query, request);
}

Grant read_pasted(std::string_view text, const AuthorizationRequest& request) {
    text = ascii::trim(text, oauth_blanks);
    const std::size_t mark = text.find('?');
    const bool is_address = mark != text.npos || text.find("://") != text.npos;
    if (!is_address) {
        if (is_code(text)) return {Grant::Kind::code, std::string(text)};
        return foreign("a code has no spaces in it");
    }
    if (mark == text.npos) return foreign("there is no code in it");
    std::string_view query = text.substr(mark + 1);
    query = query.substr(0, query.find('#'));
    if (!http::query_parameter(query, "state").empty()) return read_callback(query, request);
    if (request.redirect_uri == app::out_of_band_uri) return read_grant(query, request);
    return foreign("it has no state, so it is not the answer to this request");
}

std::string token_request(const AuthorizationRequest& request, std::string_view code,
                          const Secret& client_secret) {
    std::string body = fmt::format(
        "grant_type=authorization_code&code={}&redirect_uri={}&client_id={}&code_verifier={}",
        http::url_encode(code), http::url_encode(request.redirect_uri),
        http::url_encode(request.client_id), http::url_encode(request.verifier));
    if (!client_secret.empty())
        body += "&client_secret=" + http::url_encode(client_secret.reveal());
    return body;
}

std::string revocation_request(std::string_view client_id, const Secret& client_secret,
                               const Secret& access_token) {
    std::string body =
        fmt::format("token={}&token_type_hint=access_token&client_id={}",
                    http::url_encode(access_token.reveal()), http::url_encode(client_id));
    if (!client_secret.empty())
        body += "&client_secret=" + http::url_encode(client_secret.reveal());
    return body;
}

Result<AccessGrant> read_access_grant(std::string_view body, const std::string& asked_scopes) {
    const TokenAnswer answer(body);
    AccessGrant grant;
    grant.access_token = Secret(answer.get("access_token"));
    if (grant.access_token.empty()) {
        return strange_grant(
            "the server answered without an access token; is connect.token_url right?");
    }
    if (!is_code(grant.access_token.reveal())) {
        return strange_grant("the server's access token has characters that no token can have");
    }
    const std::string type = answer.get("token_type");
    if (!type.empty() && ascii::lower(type) != "bearer") {
        return strange_grant(
            fmt::format("the server gave an access token of the type {}, and only "
                        "bearer tokens can be used",
                        quotable(type, {grant.access_token})));
    }
    const std::string scope = answer.get("scope");
    grant.scopes = app::split_scopes(scope.empty() ? asked_scopes : scope);
    grant.has_refresh_token = !answer.get("refresh_token").empty();
    return grant;
}

TokenRefusal read_token_refusal(int status, std::string_view body,
                                const std::vector<Secret>& secrets) {
    const TokenAnswer answer(body);
    TokenRefusal refusal;
    refusal.code = answer.get("error");
    if (refusal.code.empty()) {
        refusal.text = fmt::format("HTTP {}; is connect.token_url right?", status);
        return refusal;
    }
    refusal.wrong_code = refusal.code == "invalid_grant";
    refusal.text = error_text(refusal.code, answer.get("error_description"), secrets);
    const std::string advice = advice_for(refusal.code);
    if (!advice.empty()) refusal.text += ": " + advice;
    return refusal;
}

std::string missing_scopes(const std::string& asked, const std::vector<std::string>& granted) {
    std::string missing;
    for (const std::string& scope : app::split_scopes(asked)) {
        if (scope == "profile" || std::ranges::find(granted, scope) != granted.end()) continue;
        missing += (missing.empty() ? "" : ", ") + scope;
    }
    return missing;
}

}  // namespace flowrelay::client
