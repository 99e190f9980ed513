// Requests to the API for setting something up: one after the other, each waited for. Events go
// another way (runtime/delivery).
//
// One thread. Not for the daemon: a call blocks.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/error.hpp"
#include "flowrelay/base/secret.hpp"

namespace flowrelay::app {

class ApiClient {
public:
    /// Of the destination of a configuration: with its certificates, its proxy and its timeouts.
    /// Throws ConfigError.
    explicit ApiClient(const Config& config);
    ~ApiClient();
    ApiClient(const ApiClient&) = delete;
    ApiClient& operator=(const ApiClient&) = delete;

    struct Answer {
        int status = 0;
        std::string body;     ///< the first 256 KiB
        std::string message;  ///< what the server says of an error, for people
        std::string errors;   ///< the `errors` that come with it, as JSON; or empty
    };

    /// `target`: the path behind the base URL, "/flows/find?id=…". `access` is sent as a bearer
    /// token (RFC 6750). An empty body sends none, otherwise it is JSON. Redirects are not
    /// followed: they would take the token elsewhere.
    /// Error: there was no answer. The message never has the token.
    Result<Answer> call(std::string_view method, std::string_view target, const Secret& access,
                        std::string_view body);

    /// POST of a form (application/x-www-form-urlencoded) without a bearer token, as OAuth's own
    /// endpoints take it. Answer::message is empty: the caller knows the secrets in the form.
    Result<Answer> post_form(std::string_view target, std::string_view form);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::app
