#include "oauth.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "api.hpp"
#include "flowrelay/base/digest.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/http/request_writer.hpp"
#include "oauth_pages.hpp"

namespace flowrelay::devserver {

namespace json = boost::json;

namespace {

constexpr std::string_view oob = "urn:ietf:wg:oauth:2.0:oob";
constexpr std::string_view native_path = "/oauth/authorize/native";
constexpr std::string_view session_cookie = "devserver_session=";
constexpr std::string_view known_scopes[] = {"flow", "integration", "profile", "private", "manage"};

Scopes scopes_in(std::string_view list) {
    Scopes scopes;
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(' '), list.size());
        if (end > 0) scopes.emplace(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return scopes;
}

bool are_known(const Scopes& scopes) {
    return std::ranges::all_of(scopes, [](const std::string& scope) {
        return std::ranges::find(known_scopes, scope) != std::end(known_scopes);
    });
}

std::string joined(const Scopes& scopes, std::string_view separator) {
    std::string out;
    for (const std::string& scope : scopes) {
        if (!out.empty()) out += separator;
        out += scope;
    }
    return out;
}

http::Response redirect(std::string location) {
    http::Response response;
    response.status = 302;
    response.fields = {{"Location", std::move(location)}, {"Cache-Control", "no-store"}};
    return response;
}

/// Redirects to the application with a query.
http::Response send_back(const std::string& redirect_uri, const std::string& state,
                         const std::string& query) {
    const std::string ending = state.empty() ? "" : "&state=" + http::url_encode(state);
    return redirect(fmt::format("{}?{}{}", redirect_uri, query, ending));
}

http::Response send_error(const std::string& redirect_uri, const std::string& state,
                          std::string_view error, std::string_view description) {
    if (redirect_uri == oob)
        return page(400, "Not allowed", fmt::format("{}: {}", error, description));
    return send_back(
        redirect_uri, state,
        fmt::format("error={}&error_description={}", error, http::url_encode(description)));
}

http::Response token_error(int status, std::string_view error, std::string_view description) {
    http::Response response;
    response.status = status;
    response.fields = {{"Cache-Control", "no-store"}};
    if (status == 401) response.fields.emplace_back("WWW-Authenticate", "Basic realm=\"oauth\"");
    response.body =
        json::serialize(json::object{{"error", error}, {"error_description", description}});
    return response;
}

std::string cookie_of(const http::RequestReader& reader) {
    const std::string_view cookies = reader.field("Cookie");
    const std::size_t at = cookies.find(session_cookie);
    if (at == cookies.npos) return {};
    const std::string_view value = cookies.substr(at + session_cookie.size());
    return std::string(value.substr(0, value.find(';')));
}

}  // namespace

/// Parses the members of a body, form-encoded or JSON.
class OAuth::Form {
public:
    explicit Form(const http::Request& request) : form_(request.body) {
        if (request.content_type != "application/json") return;
        error_code error;
        json::value parsed = json::parse({request.body.data(), request.body.size()}, error);
        form_ = {};
        if (!error && parsed.is_object()) object_ = std::move(parsed.get_object());
    }
    std::string get(std::string_view name) const {
        const std::string_view member = string_member(object_, name);
        return member.empty() ? http::query_parameter(form_, name) : std::string(member);
    }

private:
    std::string_view form_;
    json::object object_;
};

OAuth::OAuth(const Options& options) : options_(options), random_(Random::from_system()) {}

std::string OAuth::random_text() {
    return fmt::format("{:016x}{:016x}", random_.next(), random_.next());
}

std::string OAuth::give_access(const Scopes& scopes) {
    std::string token = random_text();
    access_tokens_[token] = scopes;
    return token;
}

const Scopes* OAuth::scopes_of(std::string_view authorization) const {
    constexpr std::string_view scheme = "Bearer ";
    if (!authorization.starts_with(scheme)) return nullptr;
    const auto found = access_tokens_.find(authorization.substr(scheme.size()));
    return found == access_tokens_.end() ? nullptr : &found->second;
}

http::Response OAuth::make_access_token(std::string_view body) {
    error_code error;
    const json::value parsed = json::parse({body.data(), body.size()}, error);
    const json::object wanted = !error && parsed.is_object() ? parsed.get_object() : json::object();
    std::string token(string_member(wanted, "access_token"));
    const std::string_view scopes = string_member(wanted, "scopes");
    if (token.empty()) token = random_text();
    access_tokens_[token] = scopes_in(scopes.empty() ? "flow integration profile" : scopes);
    http::Response response;
    response.status = 201;
    response.body = json::serialize(json::object{{"access_token", token}});
    return response;
}

http::Response OAuth::answer(const http::RequestReader& reader) {
    const http::Request& request = reader.request();
    const bool get = request.method == "GET";
    const bool post = request.method == "POST";
    if (request.path == "/oauth/authorize" && get) return authorize(reader);
    if (request.path == "/oauth/authorize" && post) return decide(reader);
    if (request.path == native_path && get) {
        return code_page(http::query_parameter(request.query, "code"));
    }
    if (request.path == "/oauth/token" && post) return token(reader);
    if (request.path == "/oauth/revoke" && post) return revoke(reader);
    http::Response response;
    response.status = 404;
    response.body = error_body("there are /oauth/authorize, /oauth/token and /oauth/revoke");
    return response;
}

http::Response OAuth::authorize(const http::RequestReader& reader) {
    const std::string_view query = reader.request().query;
    const auto get = [&](std::string_view name) { return http::query_parameter(query, name); };
    // Never redirect to an address that does not belong to the application.
    if (get("client_id") != options_.client_id) {
        return page(400, "Unknown application", "No application has this client_id.");
    }
    Request asked{get("redirect_uri"), get("state"), get("code_challenge"), scopes_in(get("scope")),
                  cookie_of(reader)};
    if (std::ranges::find(options_.redirect_uris, asked.redirect_uri) ==
        options_.redirect_uris.end()) {
        return page(400, "Wrong redirect URI",
                    "The redirect_uri is not exactly one that is registered for the application.");
    }
    if (get("response_type") != "code") {
        return send_error(asked.redirect_uri, asked.state, "unsupported_response_type",
                          "only code is supported");
    }
    if (!asked.challenge.empty() && get("code_challenge_method") != "S256") {
        return send_error(asked.redirect_uri, asked.state, "invalid_request",
                          "the code_challenge_method must be S256");
    }
    if (asked.scopes.empty()) asked.scopes = scopes_in("flow private");
    if (!are_known(asked.scopes)) {
        return send_error(asked.redirect_uri, asked.state, "invalid_scope", "a scope is unknown");
    }
    if (asked.session.empty()) asked.session = random_text();
    const std::string form_token = random_text();
    http::Response response =
        consent_page(options_.client_id, joined(asked.scopes, ", "), form_token);
    response.fields.emplace_back(
        "Set-Cookie",
        fmt::format("{}{}; Path=/oauth; HttpOnly; SameSite=Lax", session_cookie, asked.session));
    pending_[form_token] = std::move(asked);
    return response;
}

http::Response OAuth::decide(const http::RequestReader& reader) {
    const Form form(reader.request());
    const auto found = pending_.find(form.get("authenticity_token"));
    if (found == pending_.end() || found->second.session != cookie_of(reader)) {
        return page(403, "Not your form",
                    "This form was not given to this browser, or was sent before.");
    }
    const Request asked = std::move(found->second);
    pending_.erase(found);
    if (form.get("decision") != "allow") {
        return send_error(asked.redirect_uri, asked.state, "access_denied",
                          "The resource owner denied the request.");
    }
    const std::string code = random_text();
    codes_[code] = {asked, MonoTime::clock::now() + options_.code_lifetime, {}};
    if (asked.redirect_uri == oob) return redirect(fmt::format("{}?code={}", native_path, code));
    return send_back(asked.redirect_uri, asked.state, "code=" + code);
}

bool OAuth::is_client(const Form& form) const {
    return form.get("client_id") == options_.client_id &&
           form.get("client_secret") == options_.client_secret;
}

http::Response OAuth::token(const http::RequestReader& reader) {
    const Form form(reader.request());
    if (!is_client(form)) {
        return token_error(401, "invalid_client", "client authentication failed");
    }
    if (form.get("grant_type") != "authorization_code") {
        return token_error(400, "unsupported_grant_type", "only authorization_code is supported");
    }
    const bool as_json = reader.field("Accept").find("application/json") != std::string_view::npos;
    return exchange(form, as_json);
}

http::Response OAuth::exchange(const Form& form, bool as_json) {
    const auto invalid = [](std::string_view why) {
        return token_error(400, "invalid_grant", why);
    };
    const auto found = codes_.find(form.get("code"));
    if (found == codes_.end()) return invalid("the code is not known");
    Code& code = found->second;
    if (!code.access_token.empty()) {
        // The code may have been stolen: revoke the token issued for it (RFC 6749, section 4.1.2).
        access_tokens_.erase(code.access_token);
        return invalid("the code was used before");
    }
    if (MonoTime::clock::now() >= code.expires) return invalid("the code has expired");
    if (form.get("redirect_uri") != code.request.redirect_uri) {
        return invalid("the redirect_uri is not that of the authorization");
    }
    const std::string challenge = code.request.challenge;
    if (!challenge.empty() && base64url(sha256(form.get("code_verifier"))) != challenge) {
        return invalid("the code_verifier is not that of the code_challenge");
    }
    code.access_token = give_access(code.request.scopes);
    http::Response response;
    response.fields = {{"Cache-Control", "no-store"}, {"Pragma", "no-cache"}};
    const std::string scope = joined(code.request.scopes, ",");
    if (as_json) {
        response.body = json::serialize(json::object{{"access_token", code.access_token},
                                                     {"token_type", "bearer"},
                                                     {"expires_in", 7200},
                                                     {"scope", scope}});
    } else {
        response.content_type = "application/x-www-form-urlencoded";
        response.body = fmt::format("access_token={}&token_type=bearer&expires_in=7200&scope={}",
                                    code.access_token, http::url_encode(scope));
    }
    return response;
}

http::Response OAuth::revoke(const http::RequestReader& reader) {
    const Form form(reader.request());
    if (!is_client(form)) {
        return token_error(401, "invalid_client", "client authentication failed");
    }
    access_tokens_.erase(form.get("token"));
    http::Response response;
    response.body = "{}";
    return response;
}

}  // namespace flowrelay::devserver
