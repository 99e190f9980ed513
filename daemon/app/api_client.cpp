#include "flowrelay/app/api_client.hpp"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "flowrelay/app/destination_files.hpp"
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
        auto given = co_await client.post(request);
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
                      std::string_view body) const {
        // Towards a proxy plain http is asked for by its whole URI (RFC 9112, section 3.2.2).
        const bool whole = destination.proxy && !destination.tls;
        std::string request = fmt::format(
            "{} {}{}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: flowrelay\r\n"
            "Accept: application/json\r\nAuthorization: Bearer {}\r\n{}",
            method, whole ? "http://" + destination.authority : "", prefix, target,
            destination.authority, access.reveal(), proxy_field(destination));
        if (!body.empty()) request += "Content-Type: application/json\r\n";
        if (!body.empty() || method == "POST") {
            request += fmt::format("Content-Length: {}\r\n", body.size());
        }
        return request + "\r\n" + std::string(body);
    }

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

Result<ApiClient::Answer> ApiClient::call(std::string_view method, std::string_view target,
                                          const Secret& access, std::string_view body) {
    const std::string request = impl_->frame(method, target, access, body);
    core::AttemptResult result;
    impl_->done = false;
    runtime::spawn(impl_->io.get_executor(), impl_->post(request, result));
    runtime::spawn(impl_->io.get_executor(), impl_->watch_deadline());
    impl_->io.restart();
    impl_->io.run();
    if (result.end != core::AttemptEnd::response) {
        return Error{make_error_code(boost::system::errc::not_connected),
                     fmt::format("{}: {}", core::to_string(result.end), result.detail)};
    }
    const std::string_view answer = impl_->client.answer_body();
    Answer given{result.status, std::string(answer), {}};
    if (result.status > 299) given.message = core::read_server_message(answer, access).message;
    return given;
}

}  // namespace flowrelay::app
