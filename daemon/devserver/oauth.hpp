// The authorization server: authorization codes with PKCE (RFC 6749, RFC 7636), revocation
// (RFC 7009). One application and one user. As strict as real servers.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "flowrelay/base/random.hpp"
#include "flowrelay/base/time.hpp"
#include "flowrelay/http/request_reader.hpp"
#include "flowrelay/http/response_writer.hpp"
#include "options.hpp"

namespace flowrelay::devserver {

using Scopes = std::set<std::string, std::less<>>;

class OAuth {
public:
    explicit OAuth(const Options& options);

    static bool is_path(std::string_view path) noexcept { return path.starts_with("/oauth/"); }

    http::Response answer(const http::RequestReader& reader);

    /// Returns the scopes of the access token in an Authorization field; null if there is no valid
    /// token.
    const Scopes* scopes_of(std::string_view authorization) const;

    /// Answers POST /_dev/access-tokens, which creates an access token without a browser.
    http::Response make_access_token(std::string_view body);

private:
    /// What the user is asked to allow.
    struct Request {
        std::string redirect_uri;
        std::string state;
        std::string challenge;
        Scopes scopes;
        std::string session;  ///< session of the browser that was asked
    };
    struct Code {
        Request request;
        MonoTime expires;
        std::string access_token;  ///< set once the code was used
    };
    class Form;

    http::Response authorize(const http::RequestReader& reader);
    http::Response decide(const http::RequestReader& reader);
    http::Response token(const http::RequestReader& reader);
    http::Response revoke(const http::RequestReader& reader);
    http::Response exchange(const Form& form, bool as_json);
    bool is_client(const Form& form) const;
    std::string random_text();
    std::string give_access(const Scopes& scopes);

    Options options_;
    Random random_;
    std::map<std::string, Request, std::less<>> pending_;  ///< by the form's token
    std::map<std::string, Code, std::less<>> codes_;
    std::map<std::string, Scopes, std::less<>> access_tokens_;
};

}  // namespace flowrelay::devserver
