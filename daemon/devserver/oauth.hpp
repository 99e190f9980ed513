// The authorization server: authorization codes with PKCE (RFC 6749, RFC 7636), revocation
// (RFC 7009). One application and one user. Strict where servers of this kind are.
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

    /// The scopes of the access token in an Authorization field; null if it is none that is valid.
    const Scopes* scopes_of(std::string_view authorization) const;

    /// POST /_dev/access-tokens: one without a browser.
    http::Response make_access_token(std::string_view body);

private:
    /// What the person is asked.
    struct Request {
        std::string redirect_uri;
        std::string state;
        std::string challenge;
        Scopes scopes;
        std::string session;  ///< the browser that was asked
    };
    struct Code {
        Request request;
        MonoTime expires;
        std::string access_token;  ///< once it was used
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
    std::map<std::string, Request, std::less<>> pending_;  ///< by the token in the form
    std::map<std::string, Code, std::less<>> codes_;
    std::map<std::string, Scopes, std::less<>> access_tokens_;
};

}  // namespace flowrelay::devserver
