#include "flowrelay/runtime/http_client.hpp"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace flowrelay::runtime {
namespace asio = boost::asio;
using core::AttemptEnd;
using core::AttemptResult;

// Kept connections older than this are not tried: many servers close them after a minute.
constexpr auto max_idle = std::chrono::seconds(45);

HttpClient::HttpClient(asio::any_io_executor io, const Destination& destination,
                       asio::ssl::context* tls, Resolver& resolver, const Clock& clock)
    : io_(io),
      destination_(destination),
      tls_context_(tls),
      resolver_(resolver),
      clock_(clock),
      socket_(io),
      reader_(http::ResponseLimits()) {}

void HttpClient::allow(MonoTime::duration time) {
    deadline_ = clock_.now().mono + time;
    timed_out_ = false;
}

void HttpClient::check_deadline(MonoTime now) {
    if (!busy_ || timed_out_ || now < deadline_) return;
    timed_out_ = true;
    error_code ignored;
    socket_.close(ignored);
}

void HttpClient::abort() {
    aborted_ = true;
    error_code ignored;
    socket_.close(ignored);
}

void HttpClient::close() {
    open_ = false;
    tls_.reset();
    error_code ignored;
    socket_.close(ignored);
}

AttemptResult HttpClient::failure(AttemptEnd end, std::string detail) const {
    AttemptResult result;
    result.end = end;
    result.detail = std::move(detail);
    return result;
}

asio::awaitable<AttemptResult> HttpClient::post(std::string_view request) {
    busy_ = true;
    aborted_ = false;
    if (open_ && clock_.now().mono - last_used_ > max_idle) close();
    if (open_) {
        auto result = co_await exchange(request);
        const bool lost_while_idle =
            result.end != AttemptEnd::response && !reader_.started() && !timed_out_ && !aborted_;
        if (!lost_while_idle) {
            busy_ = false;
            co_return result;
        }
    }
    auto failed = co_await connect();
    if (failed) {
        close();
        busy_ = false;
        co_return std::move(*failed);
    }
    auto result = co_await exchange(request);
    busy_ = false;
    co_return result;
}

asio::awaitable<AttemptResult> HttpClient::exchange(std::string_view request) {
    allow(destination_.request_timeout);
    reader_.reset();
    const error_code write_error = co_await write(request);
    // After a failed write there may still be an answer: some servers refuse a request before they
    // have read all of it.
    error_code read_error;
    while (reader_.status() == http::ResponseStatus::need_more) {
        const auto [error, size] = co_await read_some();
        if (error) {
            read_error = error;
            const bool end =
                error == asio::error::eof || error == asio::ssl::error::stream_truncated;
            if (end && !write_error) reader_.put_end();
            break;
        }
        const std::size_t used = reader_.put({buffer_.data(), size});
        if (used < size && reader_.status() == http::ResponseStatus::complete) {
            open_ = false;  // bytes that nobody asked for: the connection is out of step
        }
    }
    const MonoTime now = clock_.now().mono;
    if (reader_.status() == http::ResponseStatus::complete) co_return result_of_answer(now);

    close();
    if (timed_out_) {
        co_return failure(
            AttemptEnd::timed_out,
            fmt::format("no answer within {}", format_duration(destination_.request_timeout)));
    }
    if (write_error) co_return failure(AttemptEnd::write_failed, write_error.message());
    if (reader_.status() == http::ResponseStatus::broken && reader_.started()) {
        co_return failure(AttemptEnd::broken_response, std::string(reader_.error()));
    }
    co_return failure(AttemptEnd::broken_response,
                      read_error == asio::error::eof
                          ? std::string("the connection was closed without an answer")
                          : read_error.message());
}

AttemptResult HttpClient::result_of_answer(MonoTime now) {
    AttemptResult result;
    result.end = AttemptEnd::response;
    result.status = reader_.code();
    // The deadline was set when the exchange began, after all connecting.
    result.elapsed = now - (deadline_ - destination_.request_timeout);
    const auto retry_after = reader_.field("Retry-After");
    if (!retry_after.empty()) {
        result.retry_after = core::parse_retry_after(retry_after, clock_.now().wall);
    }
    if (open_ && reader_.keep_alive() && !timed_out_ && !aborted_) {
        last_used_ = now;
    } else {
        close();
    }
    return result;
}

asio::awaitable<error_code> HttpClient::write(std::string_view bytes) {
    const auto buffer = asio::buffer(bytes.data(), bytes.size());
    if (tls_) {
        const auto [error, size] =
            co_await asio::async_write(*tls_, buffer, asio::as_tuple(asio::deferred));
        co_return error;
    }
    const auto [error, size] =
        co_await asio::async_write(socket_, buffer, asio::as_tuple(asio::deferred));
    co_return error;
}

asio::awaitable<std::pair<error_code, std::size_t>> HttpClient::read_some() {
    const auto buffer = asio::buffer(buffer_);
    if (tls_) {
        const auto [error, size] =
            co_await tls_->async_read_some(buffer, asio::as_tuple(asio::deferred));
        co_return std::pair(error, size);
    }
    const auto [error, size] =
        co_await socket_.async_read_some(buffer, asio::as_tuple(asio::deferred));
    co_return std::pair(error, size);
}

}  // namespace flowrelay::runtime
