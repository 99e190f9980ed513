#include "http_exchange.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <utility>

#include "flowrelay/base/error.hpp"
#include "flowrelay/core/json.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
using http::ReadStatus;

namespace {

constexpr std::size_t read_size = 16 * 1024;

http::Response refusal(ReadStatus status) {
    http::Response response =
        status == ReadStatus::head_too_large   ? error_response(431, "the header is too large")
        : status == ReadStatus::body_too_large ? error_response(413, "the body is too large")
                                               : error_response(400, "this is not an HTTP request");
    response.keep_alive = false;
    return response;
}

/// Tells the peer that nothing more comes, and reads what it still sends for a while: closing with
/// unread bytes would reset the connection and take the answer with it (RFC 9112, section 9.6).
asio::awaitable<void> linger(StreamSocket& socket, MonoTime& deadline) {
    error_code ignored;
    socket.shutdown(StreamSocket::shutdown_send, ignored);
    deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    std::string bin(read_size, '\0');
    for (int reads = 0; reads < 256; ++reads) {
        const auto [error, size] =
            co_await socket.async_read_some(asio::buffer(bin), asio::as_tuple(asio::deferred));
        if (error) co_return;
    }
}

}  // namespace

http::Response error_response(int status, std::string_view message) {
    http::Response response;
    response.status = status;
    response.body = R"({"message":)";
    core::json::append_string(response.body, message);
    response.body += '}';
    return response;
}

asio::awaitable<void> serve_http(StreamSocket& socket, MonoTime& deadline, std::string first,
                                 HttpLimits limits, const HttpHandler& handler) {
    http::RequestReader reader(limits.request);
    std::string input = std::move(first);
    std::string output;
    while (true) {
        input.erase(0, reader.put(input));
        if (reader.status() == ReadStatus::need_more) {
            if (reader.take_expects_continue()) {
                const auto go_on = http::continue_response();
                const auto [error, size] =
                    co_await asio::async_write(socket, asio::buffer(go_on.data(), go_on.size()),
                                               asio::as_tuple(asio::deferred));
                if (error) co_return;
            }
            deadline = std::chrono::steady_clock::now() +
                       (reader.started() ? limits.stall_timeout : limits.idle_timeout);
            const std::size_t kept = input.size();
            input.resize(kept + read_size);
            const auto [error, size] = co_await socket.async_read_some(
                asio::buffer(input.data() + kept, read_size), asio::as_tuple(asio::deferred));
            deadline = MonoTime::max();
            input.resize(kept + size);
            if (error) co_return;
            continue;
        }
        http::Response response;
        if (reader.status() == ReadStatus::complete) {
            auto answer = co_await handler(reader);
            response = std::move(answer);
            response.keep_alive = response.keep_alive && reader.request().keep_alive;
            response.minor_version = reader.request().minor_version;
            response.head_only = reader.request().method == "HEAD";
        } else {
            response = refusal(reader.status());
        }
        output.clear();
        http::append_response(output, response);
        deadline = std::chrono::steady_clock::now() + limits.stall_timeout;
        const auto [error, size] = co_await asio::async_write(socket, asio::buffer(output),
                                                              asio::as_tuple(asio::deferred));
        deadline = MonoTime::max();
        if (error) co_return;
        if (!response.keep_alive) {
            co_await linger(socket, deadline);
            co_return;
        }
        reader.reset();
    }
}

}  // namespace flowrelay::runtime
