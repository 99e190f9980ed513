// How an HttpClient gets its connection: name, addresses in turn, proxy, TLS.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <utility>

#include "flowrelay/runtime/http_client.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
using core::AttemptEnd;
using core::AttemptResult;

namespace {

// The longest head of a proxy's answer to CONNECT.
constexpr std::size_t max_tunnel_head = 16 * 1024;

/// The status of "HTTP/1.1 200 Connection established"; 0 if it is not that.
int status_of(std::string_view head) {
    if (!head.starts_with("HTTP/1.") || head.size() < 12) return 0;
    int status = 0;
    for (const char c : head.substr(9, 3)) {
        if (c < '0' || c > '9') return 0;
        status = status * 10 + (c - '0');
    }
    return status;
}

}  // namespace

asio::awaitable<HttpClient::Failure> HttpClient::connect() {
    close();
    const auto& proxy = destination_.proxy;
    const std::string host = proxy ? proxy->host : destination_.host;
    const std::uint16_t port = proxy ? proxy->port : destination_.port;
    const MonoTime deadline = clock_.now().mono + destination_.connect_timeout;

    auto endpoints = co_await resolver_.resolve(host, port, deadline);
    if (endpoints.has_error()) {
        co_return failure(AttemptEnd::resolve_failed, endpoints.error().message);
    }
    std::string peer = fmt::format("{}:{}", host, port);
    auto unconnected = co_await connect_to(std::move(*endpoints), deadline, std::move(peer));
    if (unconnected) co_return unconnected;
    if (proxy && destination_.tls) {
        auto no_tunnel = co_await open_tunnel();
        if (no_tunnel) co_return no_tunnel;
    }
    if (destination_.tls) {
        auto no_handshake = co_await shake_hands();
        if (no_handshake) co_return no_handshake;
    }
    open_ = true;
    last_used_ = clock_.now().mono;
    co_return std::nullopt;
}

asio::awaitable<HttpClient::Failure> HttpClient::connect_to(Resolver::Endpoints endpoints,
                                                            MonoTime deadline, std::string peer) {
    std::string reason = "no address";
    for (std::size_t i = 0; i < endpoints.size() && !aborted_; ++i) {
        const MonoTime now = clock_.now().mono;
        if (now >= deadline) break;
        // Each address gets its share of the time that is left.
        allow((deadline - now) / static_cast<int>(endpoints.size() - i));
        error_code ignored;
        socket_.close(ignored);
        const auto [error] =
            co_await socket_.async_connect(endpoints[i], asio::as_tuple(asio::deferred));
        if (!error && !timed_out_) {
            socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
            allow(std::max(deadline - clock_.now().mono, MonoTime::duration::zero()));
            co_return std::nullopt;
        }
        reason = timed_out_ ? fmt::format("no connection within {}",
                                          format_duration(destination_.connect_timeout))
                            : error.message();
    }
    co_return failure(AttemptEnd::connect_failed,
                      fmt::format("cannot connect to {}: {}", peer, reason));
}

asio::awaitable<HttpClient::Failure> HttpClient::open_tunnel() {
    const std::string target = fmt::format(
        fmt::runtime(destination_.host.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}"),
        destination_.host, destination_.port);
    const std::string request =
        fmt::format("CONNECT {} HTTP/1.1\r\nHost: {}\r\n\r\n", target, target);
    const error_code write_error = co_await write(request);
    if (write_error) co_return failure(AttemptEnd::proxy_failed, write_error.message());
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos) {
        const auto [error, size] = co_await read_some();
        if (error) {
            co_return failure(AttemptEnd::proxy_failed,
                              timed_out_ ? std::string("the proxy does not answer")
                                         : "the proxy closed the connection: " + error.message());
        }
        head.append(buffer_.data(), size);
        if (head.size() > max_tunnel_head) {
            co_return failure(AttemptEnd::proxy_failed, "the proxy's answer is too long");
        }
    }
    const int status = status_of(head);
    if (status >= 200 && status < 300) co_return std::nullopt;
    co_return failure(AttemptEnd::proxy_failed,
                      fmt::format("the proxy answered {} to CONNECT {}", status, target));
}

asio::awaitable<HttpClient::Failure> HttpClient::shake_hands() {
    tls_.emplace(socket_, *tls_context_);
    const auto expected = expect_peer(*tls_, destination_.host);
    if (expected.has_error()) {
        co_return failure(AttemptEnd::tls_failed, expected.error().message);
    }
    const auto [error] =
        co_await tls_->async_handshake(TlsStream::client, asio::as_tuple(asio::deferred));
    if (!error) co_return std::nullopt;
    if (timed_out_) {
        co_return failure(AttemptEnd::tls_failed,
                          fmt::format("{} does not answer the TLS handshake", destination_.host));
    }
    co_return failure(AttemptEnd::tls_failed,
                      describe_tls_failure(*tls_, error, destination_.host));
}

}  // namespace flowrelay::runtime
