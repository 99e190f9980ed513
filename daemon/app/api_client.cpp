#include "flowrelay/app/api_client.hpp"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "destination_files.hpp"
#include "flowrelay/core/server_message.hpp"
#include "flowrelay/runtime/http_client.hpp"
#include "flowrelay/runtime/spawn.hpp"
#include "setup.hpp"

namespace flowrelay::app {

namespace asio = boost::asio;

namespace {

std::string proxy_field(const runtime::Destination& destination) {
    if (!destination.proxy || destination.tls) return "";
    const Secret& authorization = destination.proxy->authorization;
    if (authorization.empty()) return "";
    return fmt::format("Proxy-Authorization: {}\r\n", authorization.reveal());
}

}  // namespace

struct ApiClient::Impl {
    explicit Impl(const Config& config)
        : destination(make_destination(config)),
          prefix(parse_base_url(config.destination.base_url)->path_prefix),
          tls(make_tls_context(config.destination)),
          resolver(io.get_executor()),
          client(io.get_executor(), destination, tls.get(), resolver, clock),
          watch(io) {}

    asio::awaitable<void> post(const std::string& request, core::AttemptResult& result) {
        // On a kept connection an unanswered request is sent again, which could create a source
        // twice.
        const auto connection = request.starts_with("GET ")
                                    ? runtime::HttpClient::Connection::any
                                    : runtime::HttpClient::Connection::fresh;
        auto given = co_await client.post(request, connection);
        result = std::move(given);
        done = true;
        watch.cancel();
    }

    asio::awaitable<void> watch_deadline() {
        while (!done) {
            watch.expires_after(Milliseconds(100));
            co_await watch.async_wait(asio::as_tuple(asio::deferred));
            client.check_deadline(clock.now().mono);
        }
    }

    std::string frame(std::string_view method, std::string_view target, const Secret& access,
                      std::string_view body, std::string_view content_type) const {
        // A request for plain http through a proxy has the absolute URI (RFC 9112, section 3.2.2).
        const bool whole = destination.proxy && !destination.tls;
        std::string request = fmt::format(
            "{} {}{}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: flowrelay\r\n"
            "Accept: application/json\r\n{}",
            method, whole ? "http://" + destination.authority : "", prefix, target,
            destination.authority, proxy_field(destination));
        if (!access.empty()) {
            request += fmt::format("Authorization: Bearer {}\r\n", access.reveal());
        }
        if (!body.empty()) request += fmt::format("Content-Type: {}\r\n", content_type);
        if (!body.empty() || method == "POST") {
            request += fmt::format("Content-Length: {}\r\n", body.size());
        }
        return request + "\r\n" + std::string(body);
    }

    Result<Answer> exchange(const std::string& request);

    asio::io_context io;
    SystemClock clock;
    runtime::Destination destination;
    std::string prefix;
    std::unique_ptr<runtime::TlsContext> tls;
    runtime::Resolver resolver;
    runtime::HttpClient client;
    asio::steady_timer watch;
    bool done = false;
};

ApiClient::ApiClient(const Config& config) : impl_(std::make_unique<Impl>(config)) {}

ApiClient::~ApiClient() = default;

Result<ApiClient::Answer> ApiClient::Impl::exchange(const std::string& request) {
    core::AttemptResult result;
    done = false;
    runtime::spawn(io.get_executor(), post(request, result));
    runtime::spawn(io.get_executor(), watch_deadline());
    io.restart();
    io.run();
    if (result.end != core::AttemptEnd::response) {
        return Error{make_error_code(boost::system::errc::not_connected),
                     fmt::format("{}: {}", core::to_string(result.end), result.detail)};
    }
    return Answer{result.status, std::string(client.answer_body()), {}, {}};
}

Result<ApiClient::Answer> ApiClient::call(std::string_view method, std::string_view target,
                                          const Secret& access, std::string_view body) {
    auto answer = impl_->exchange(impl_->frame(method, target, access, body, "application/json"));
    if (answer && answer->status > 299) {
        auto told = core::read_server_message(answer->body, access);
        answer->message = std::move(told.message);
        answer->errors = std::move(told.errors);
    }
    return answer;
}

Result<ApiClient::Answer> ApiClient::post_form(std::string_view target, std::string_view form) {
    return impl_->exchange(
        impl_->frame("POST", target, Secret(), form, "application/x-www-form-urlencoded"));
}

}  // namespace flowrelay::app
