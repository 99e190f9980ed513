// Blocking client for the API requests that set something up. Events are posted by
// runtime/delivery.
//
// Owned by one thread. Not for the daemon, since calls block.
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
    /// Uses the configured destination with its certificates, proxy and timeouts. Throws
    /// ConfigError.
    explicit ApiClient(const Config& config);
    ~ApiClient();
    ApiClient(const ApiClient&) = delete;
    ApiClient& operator=(const ApiClient&) = delete;

    struct Answer {
        int status = 0;
        std::string body;     ///< the first 256 KiB
        std::string message;  ///< the server's error message, readable text
        std::string errors;   ///< the `errors` member of the error as JSON; or empty
    };

    /// Sends one request and waits for the answer. `target` is the path after the base URL,
    /// "/flows/find?id=…". `access` is sent as a bearer token (RFC 6750). `body` is JSON; empty: no
    /// body. Redirects are not followed, since they would send the token elsewhere. Error: there
    /// was no answer. The message never contains the token.
    Result<Answer> call(std::string_view method, std::string_view target, const Secret& access,
                        std::string_view body);

    /// Posts a form (application/x-www-form-urlencoded) without a bearer token, as OAuth's
    /// endpoints require. Answer::message is empty, because only the caller knows which secrets in
    /// the form to hide from it.
    Result<Answer> post_form(std::string_view target, std::string_view form);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flowrelay::app
