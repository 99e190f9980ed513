#include "flowrelay/client/token_exchange.hpp"

#include <fmt/format.h>

#include <utility>

#include "flowrelay/app/api_client.hpp"
#include "flowrelay/app/connect_settings.hpp"
#include "flowrelay/app/text.hpp"

namespace flowrelay::client {

namespace {

/// Returns the configuration with another server as the destination. Certificates and proxy stay.
app::Config config_for(const app::Config& config, std::string url) {
    app::Config other = config;
    other.destination.base_url = std::move(url);
    return other;
}

}  // namespace

std::string server_of(const std::string& url) {
    const auto parts = app::parse_base_url(url.substr(0, url.find('?')));
    return parts ? parts->authority : url;
}

Exchange exchange_code(const app::Config& config, const AuthorizationRequest& request,
                       const std::string& code, const Secret& client_secret) {
    const std::string where = app::token_url(config);
    app::ApiClient server(config_for(config, where));
    const auto answer = server.post_form("", token_request(request, code, client_secret));
    Exchange result;
    if (!answer) {
        result.problem = fmt::format("{} does not answer: {}", server_of(where),
                                     app::printable(answer.error().message));
        return result;
    }
    if (answer->status != 200) {
        const auto refusal = read_token_refusal(
            answer->status, answer->body, {client_secret, Secret(code), Secret(request.verifier)});
        result.problem =
            fmt::format("{} gives no access token: {}", server_of(where), refusal.text);
        if (answer->status != 429 && answer->status < 500) result.failure = Failure::not_permitted;
        result.wrong_code = refusal.wrong_code;
        return result;
    }
    auto grant = read_access_grant(answer->body, request.scopes);
    if (grant) {
        result.grant = std::move(*grant);
    } else {
        result.problem = fmt::format("{}: {}", server_of(where), grant.error().message);
        result.failure = Failure::rejected;
    }
    return result;
}

Result<void> revoke_token(const app::Config& config, const std::string& client_id,
                          const Secret& client_secret, const Secret& access_token) {
    app::ApiClient server(config_for(config, app::revoke_url(config)));
    const auto answer =
        server.post_form("", revocation_request(client_id, client_secret, access_token));
    if (answer && answer->status == 200) return {};
    return Error{
        make_error_code(boost::system::errc::protocol_error),
        answer ? fmt::format("HTTP {}", answer->status) : app::printable(answer.error().message)};
}

}  // namespace flowrelay::client
