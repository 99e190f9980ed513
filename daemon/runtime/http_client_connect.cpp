// How an HttpClient gets its connection: name, addresses in turn, proxy, TLS.
#include <fmt/format.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <utility>

#include "flowrelay/base/http_status.hpp"
#include "flowrelay/http/response_reader.hpp"
#include "flowrelay/runtime/http_client.hpp"
#include "round_trip.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
using core::AttemptEnd;
using core::AttemptResult;

namespace {

// The longest head of a proxy's answer to CONNECT.
constexpr std::uint32_t max_tunnel_head = 16 * 1024;

// Of the answer to CONNECT the status alone matters.
constexpr std::array<std::string_view, 1> tunnel_fields{"Proxy-Authenticate"};

}  // namespace

const std::string& HttpClient::peer_host() const {
    return destination_.proxy ? destination_.proxy->host : destination_.host;
}

std::uint16_t HttpClient::peer_port() const {
    return destination_.proxy ? destination_.proxy->port : destination_.port;
}

asio::awaitable<HttpClient::Failure> HttpClient::connect() {
    close();
    const MonoTime deadline = clock_.now().mono + destination_.connect_timeout;
    allow_until(deadline);
    auto endpoints = co_await resolver_.resolve(peer_host(), peer_port(), deadline);
    if (endpoints.has_error()) {
        co_return failure(AttemptEnd::resolve_failed, endpoints.error().message);
    }
    auto winner = co_await race_.run(std::move(*endpoints), deadline);
    if (aborted_) co_return failure(AttemptEnd::connect_failed, "the relay stops");
    if (winner.has_error()) {
        co_return failure(
            AttemptEnd::connect_failed,
            fmt::format("cannot connect to {}{}:{}: {}", destination_.proxy ? "the proxy " : "",
                        peer_host(), peer_port(), winner.error().message));
    }
    socket_ = std::move(winner->socket);
    endpoint_ = winner->endpoint;
    for (const auto& slower : winner->passed_over) {
        resolver_.pass_over(peer_host(), peer_port(), slower);
    }
    error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    allow_until(deadline);
    auto failed = co_await set_up();
    if (failed) {
        if (!aborted_) resolver_.pass_over(peer_host(), peer_port(), endpoint_);
        co_return failed;
    }
    open_ = true;
    round_trip_ = shortest_round_trip(socket_.native_handle());
    co_return std::nullopt;
}

// What comes after TCP.
asio::awaitable<HttpClient::Failure> HttpClient::set_up() {
    if (!destination_.tls) co_return std::nullopt;
    if (destination_.proxy) {
        auto no_tunnel = co_await open_tunnel();
        if (no_tunnel) co_return no_tunnel;
    }
    auto no_handshake = co_await shake_hands();
    co_return no_handshake;
}

asio::awaitable<HttpClient::Failure> HttpClient::open_tunnel() {
    const bool v6 = destination_.host.find(':') != std::string::npos;
    const std::string target =
        fmt::format(fmt::runtime(v6 ? "[{}]:{}" : "{}:{}"), destination_.host, destination_.port);
    const Secret& authorization = destination_.proxy->authorization;
    std::string request = fmt::format("CONNECT {} HTTP/1.1\r\nHost: {}\r\n", target, target);
    if (!authorization.empty()) {
        request.append("Proxy-Authorization: ").append(authorization.reveal()).append("\r\n");
    }
    request += "\r\n";
    begin_write(request);
    co_await end_write();
    if (write_error_) co_return failure(AttemptEnd::proxy_failed, write_error_.message());
    http::ResponseReader answer(http::ResponseLimits{max_tunnel_head, 0, 0}, tunnel_fields);
    answer.reset(http::ResponseTo::connect);
    while (answer.status() == http::ResponseStatus::need_more) {
        const auto [error, size] = co_await read_some();
        if (error) {
            co_return failure(AttemptEnd::proxy_failed,
                              timed_out_ ? fmt::format("the proxy {}:{} does not answer CONNECT {}",
                                                       peer_host(), peer_port(), target)
                                         : fmt::format("the proxy {}:{} closed the connection: {}",
                                                       peer_host(), peer_port(), error.message()));
        }
        answer.put({buffer_.data(), size});
    }
    const bool broken = answer.status() == http::ResponseStatus::broken;
    if (broken && answer.error() == "the head is too long") {
        co_return failure(AttemptEnd::proxy_failed, "the proxy's answer is too long");
    }
    const int status = broken ? 0 : answer.code();
    if (is_success(status)) co_return std::nullopt;
    co_return proxy_refusal(status);
}

AttemptResult HttpClient::proxy_refusal(int status) const {
    AttemptResult result = failure(AttemptEnd::proxy_failed, describe_proxy_refusal(status));
    // Of other statuses to CONNECT some are about the server behind it: they are tried again.
    result.proxy_refused = !destination_.tls || status == 401 || status == 403 || status == 407;
    return result;
}

std::string HttpClient::describe_proxy_refusal(int status) const {
    const std::string proxy = fmt::format("the proxy {}:{}", peer_host(), peer_port());
    switch (status) {
        case 401:  // what tinyproxy says to a wrong password
        case 407:
            if (!destination_.proxy->authorization.empty()) {
                return proxy +
                       " refuses the user or the password: see destination.proxy_credentials_file";
            }
            return fmt::format(
                "{} wants to know who we are ({}): put user:password into a file and name it in "
                "destination.proxy_credentials_file",
                proxy, status);
        case 403:
            return fmt::format("{} does not allow connections to {}:{} (403)", proxy,
                               destination_.host, destination_.port);
        case 0:
            return proxy + " does not answer CONNECT with HTTP: is it a proxy?";
        case 429:
            return fmt::format("{} wants fewer requests (429)", proxy);
        default:
            if (!destination_.tls) {
                return fmt::format("{} refuses requests to {}:{}: it answered {} itself", proxy,
                                   destination_.host, destination_.port, status);
            }
            return fmt::format("{} could not connect to {}:{}: it answered {}", proxy,
                               destination_.host, destination_.port, status);
    }
}

asio::awaitable<HttpClient::Failure> HttpClient::shake_hands() {
    tls_.emplace(socket_, tls_context_->native());
    const auto prepared =
        prepare_handshake(*tls_, *tls_context_, destination_.host, tls_objection_);
    if (prepared.has_error()) {
        co_return failure(AttemptEnd::tls_failed, prepared.error().message);
    }
    const auto [error] =
        co_await tls_->async_handshake(TlsStream::client, asio::as_tuple(asio::deferred));
    if (!error) co_return std::nullopt;
    if (timed_out_) {
        co_return failure(AttemptEnd::tls_failed,
                          fmt::format("{} does not answer the TLS handshake", destination_.host));
    }
    co_return failure(
        AttemptEnd::tls_failed,
        describe_handshake_failure(error, *tls_context_, destination_.host, tls_objection_));
}

}  // namespace flowrelay::runtime
