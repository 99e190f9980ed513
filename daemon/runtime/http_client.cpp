#include "flowrelay/runtime/http_client.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/http_status.hpp"
#include "flowrelay/core/json.hpp"
#include "flowrelay/http/keep_alive.hpp"
#include "proxy_answers.hpp"
#include "round_trip.hpp"

namespace flowrelay::runtime {
namespace asio = boost::asio;
using core::AttemptEnd;
using core::AttemptResult;

namespace {

// What is read of an answer; behind a proxy also the fields that tell whose answer it is.
constexpr std::array<std::string_view, 9> all_fields{
    "Retry-After", "Keep-Alive",    "Location",     "Content-Type",       "Via",
    "Server",      "X-Squid-Error", "Proxy-Status", "Proxy-Authenticate",
};

std::span<const std::string_view> wanted_fields(const Destination& destination) {
    const std::span<const std::string_view> all(all_fields);
    return destination.proxy && !destination.tls ? all : all.first(4);
}

// Many servers close a connection that has idled for a minute.
constexpr auto max_idle = Seconds(45);

/// Whether there are bytes to read, or the server has ended its side.
bool has_news(int fd) {
    pollfd poll{fd, POLLIN | POLLRDHUP, 0};
    return ::poll(&poll, 1, 0) == 1;
}

/// Whether a Content-Type is this one, whatever its parameters are.
bool is_type(std::string_view value, std::string_view type) {
    return ascii::iequals(ascii::trim(value.substr(0, value.find(';'))), type);
}

}  // namespace

HttpClient::HttpClient(asio::any_io_executor io, const Destination& destination, TlsContext* tls,
                       Resolver& resolver, const Clock& clock)
    : destination_(destination),
      tls_context_(tls),
      resolver_(resolver),
      clock_(clock),
      race_(io),
      socket_(io),
      reader_(http::ResponseLimits(), wanted_fields(destination)),
      quiet_(io),
      written_(io) {}

void HttpClient::allow_until(MonoTime deadline) {
    deadline_ = deadline;
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
    race_.cancel();
    error_code ignored;
    socket_.close(ignored);
}

void HttpClient::close() {
    open_ = false;
    if (tls_) keep_session(*tls_);
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

bool HttpClient::is_reusable(MonoTime now) {
    if (!open_ || now >= kept_until_) return false;
    if (!is_silent()) {
        // Later it is the farewell of a server that is tired of waiting.
        if (now < answered_at_ + Seconds(1)) note_second_answer(now);
        return false;
    }
    return resolver_.leads_to(peer_host(), peer_port(), endpoint_);
}

// An answer needs a round trip at least; the kernel has measured this one too, if it is one.
bool HttpClient::came_too_soon(MonoTime::duration elapsed) {
    return elapsed < round_trip_ && elapsed < shortest_round_trip(socket_.native_handle());
}

// A response to nothing, perhaps one that was meant for another connection.
bool HttpClient::speaks_first() {
    return !is_silent();
}

// What has come since the last answer nobody asked for. It must not become the answer to the next
// request: it may be a 410.
bool HttpClient::is_silent() {
    if (!tls_) return !has_news(socket_.native_handle());
    // Under TLS there may be session tickets, which this takes in; and bytes that were read with
    // those of the answer.
    error_code error;
    tls_->read_some(asio::buffer(buffer_), error);
    return error == asio::error::would_block;
}

asio::awaitable<AttemptResult> HttpClient::post(Request request, Connection connection) {
    busy_ = true;
    aborted_ = false;
    bool sent_before = false;
    MonoTime begun = clock_.now().mono;
    // HTTP/1.1 has nothing that says which request a response answers but its place. A server that
    // answers one request twice does it at once: its second answer gets the time to arrive before
    // the next request is sent.
    if (connection == Connection::any && open_ && begun < answered_at_ + quiet_time) {
        allow_until(begun + destination_.request_timeout);
        quiet_.expires_at(answered_at_ + quiet_time);
        co_await quiet_.async_wait(asio::as_tuple(asio::deferred));
        begun = clock_.now().mono;
    }
    if (!holds_()) {
        busy_ = false;
        co_return withdrawn(false);
    }
    if (connection == Connection::any && is_reusable(begun)) {
        auto result = co_await exchange(request, begun, true);
        const bool unanswered = result.end != AttemptEnd::response &&
                                (!reader_.started() || out_of_step_) && !timed_out_ && !aborted_;
        if (!unanswered) {
            busy_ = false;
            co_return result;
        }
        sent_before = result.end == AttemptEnd::broken_response;
        if (!holds_()) {
            busy_ = false;
            co_return withdrawn(sent_before);
        }
    }
    auto failed = co_await connect();
    if (failed) {
        close();
        failed->sent_before = sent_before;
        busy_ = false;
        co_return std::move(*failed);
    }
    // It may have taken long to connect.
    if (!holds_()) {
        busy_ = false;
        co_return withdrawn(sent_before);
    }
    if (speaks_first()) {
        close();
        auto refused = failure(AttemptEnd::broken_response, "an answer came before the request");
        refused.sent_before = sent_before;
        resolver_.pass_over(peer_host(), peer_port(), endpoint_);
        busy_ = false;
        co_return refused;
    }
    auto result = co_await exchange(request, clock_.now().mono, false);
    result.sent_before = sent_before;
    if (result.end != AttemptEnd::response && !aborted_) {
        resolver_.pass_over(peer_host(), peer_port(), endpoint_);
    }
    busy_ = false;
    co_return result;
}

AttemptResult HttpClient::withdrawn(bool sent_before) const {
    auto result = failure(AttemptEnd::withdrawn, "it does not hold any longer");
    result.sent_before = sent_before;
    return result;
}

// Each coroutine costs an event something: the answer is read in here.
asio::awaitable<AttemptResult> HttpClient::exchange(Request request, MonoTime begun, bool reused) {
    allow_until(begun + destination_.request_timeout);
    out_of_step_ = surplus_ = false;
    on_kept_ = reused;
    reader_.reset();
    begin_write(request);
    error_code read_error;
    if (!tls_) {
        // The others first. When many requests are under way the answer is there by then, and the
        // read that would have found nothing is saved: a tenth of what an exchange costs.
        co_await asio::post(asio::deferred);
        read_error = read_what_is_there();
    }
    while (!read_error && reader_.status() == http::ResponseStatus::need_more && !is_settled()) {
        if (tls_) {
            const auto [error, size] = co_await tls_->async_read_some(
                asio::buffer(buffer_), asio::as_tuple(asio::deferred));
            read_error = error;
            take_answer(error, size);
        } else {
            const auto [error, size] = co_await socket_.async_read_some(
                asio::buffer(buffer_), asio::as_tuple(asio::deferred));
            read_error = error;
            take_answer(error, size);
        }
    }
    const MonoTime now = clock_.now().mono;
    if (writing_) {  // the server does not want to see the rest
        open_ = false;
        error_code ignored;
        socket_.close(ignored);
        co_await end_write();
    }
    out_of_step_ = reader_.started() && came_too_soon(now - begun);
    if (out_of_step_) note_second_answer(now);
    if (!out_of_step_ && has_answer()) co_return result_of_answer(now);
    auto result = out_of_step_ ? failure(AttemptEnd::broken_response, "an answer too many")
                               : result_without_answer(read_error);
    close();
    co_return result;
}

error_code HttpClient::read_what_is_there() {
    error_code error;
    const std::size_t size = socket_.read_some(asio::buffer(buffer_), error);
    if (error == asio::error::would_block) return {};
    take_answer(error, size);
    return error;
}

// Also after a failed write: some servers refuse a request before they have read all of it.
void HttpClient::take_answer(const error_code& error, std::size_t size) {
    if (error) {
        // A server that ends without having read all of the request makes its kernel send a reset
        // behind the answer.
        const bool end = error == asio::error::eof || error == asio::error::connection_reset ||
                         error == asio::ssl::error::stream_truncated;
        if (end) reader_.put_end();
        return;
    }
    const std::size_t used = reader_.put({buffer_.data(), size});
    if (used < size && reader_.status() == http::ResponseStatus::complete) {
        open_ = false;  // bytes that nobody asked for: the connection is out of step
        surplus_ = true;
        note_second_answer(clock_.now().mono);
    }
}

// A success whose head contradicts itself about its end: nothing is worth waiting for.
bool HttpClient::is_settled() const {
    return reader_.has_head() && is_success(reader_.code()) && reader_.end_is_unclear();
}

// Where the rest of an answer is missing its status counts, unless it is a success: a server may
// have died of the event after it had begun to answer.
bool HttpClient::has_answer() const {
    if (reader_.status() == http::ResponseStatus::complete) return true;
    return reader_.has_head() &&
           (reader_.code() / 100 != 2 || reader_.body_is_too_long() || reader_.end_is_unclear());
}

AttemptResult HttpClient::result_without_answer(const error_code& read_error) {
    const std::string timeout = format_duration(destination_.request_timeout);
    if (write_error_) {
        return failure(AttemptEnd::write_failed,
                       timed_out_ ? fmt::format("the request could not be sent within {}", timeout)
                                  : write_error_.message());
    }
    if (timed_out_) {
        return failure(AttemptEnd::timed_out,
                       reader_.has_head()
                           ? fmt::format("the body of the answer did not end within {}", timeout)
                           : fmt::format("no answer within {}", timeout));
    }
    if (reader_.started()) {
        return failure(AttemptEnd::broken_response, reader_.status() == http::ResponseStatus::broken
                                                        ? std::string(reader_.error())
                                                        : read_error.message());
    }
    if (tls_context_ != nullptr) {
        auto alert = describe_late_alert(read_error, *tls_context_, destination_.host);
        if (!alert.empty()) return failure(AttemptEnd::tls_failed, std::move(alert));
    }
    return failure(AttemptEnd::broken_response,
                   read_error == asio::error::eof
                       ? std::string("the connection was closed without an answer")
                       : read_error.message());
}

AttemptResult HttpClient::result_of_answer(MonoTime now) {
    AttemptResult result;
    result.end = AttemptEnd::response;
    result.status = reader_.code();
    result.quirk = reader_.quirk();
    if (result.quirk.empty() && surplus_) result.quirk = "more than one answer came";
    // The deadline was set when the exchange began, after all connecting.
    result.elapsed = now - (deadline_ - destination_.request_timeout);
    if (!reader_.field("Retry-After").empty()) {
        const std::string retry_after = reader_.joined_field("Retry-After");
        result.retry_after = core::parse_retry_after(retry_after, SystemClock().now().wall);
    }
    const bool trusted = now >= distrusted_until_;
    if (open_ && trusted && reader_.keep_alive() && !timed_out_ && !aborted_) {
        answered_at_ = now;
        kept_until_ = now + http::keep_alive_time(reader_.field("Keep-Alive"), max_idle);
    } else {
        close();
    }
    if (is_of_proxy()) return answer_of_proxy(result);
    if (is_success(result.status)) judge_body(result);
    return result;
}

// Login pages and captive portals answer 200 to everything.
void HttpClient::judge_body(AttemptResult& result) const {
    const std::string_view body = core::json::trim(reader_.body());
    // Compressed, though `identity` was asked for: its contents can't be seen, its type can.
    const bool coded = reader_.body_is_coded();
    if (body.empty() && !coded) return;
    const std::string_view type = reader_.field("Content-Type");
    const bool page = coded ? is_type(type, "text/html") : body.starts_with('<');
    if (page && result.quirk.empty()) result.quirk = "the body is a web page";
    if (!destination_.expects_json || (coded && is_type(type, "application/json"))) return;
    const bool whole = reader_.status() == http::ResponseStatus::complete;
    const bool cut = !whole || body.size() >= http::ResponseLimits().body;
    const bool json =
        cut ? body.starts_with('{') || body.starts_with('[') : !core::json::check(body);
    if (json && !coded) return;
    result.unexpected = true;
    result.detail = page ? "the answer is a web page, and destination.expect is json"
                         : "the answer is no JSON, and destination.expect is json";
}

// Plain http only, of which a proxy passes the answers on.
bool HttpClient::is_of_proxy() {
    if (!destination_.proxy || destination_.tls) return false;
    const ProxyMarks marks{reader_.joined_field("Via"), reader_.field("Server"),
                           reader_.field("X-Squid-Error"), reader_.joined_field("Proxy-Status"),
                           reader_.field("Proxy-Authenticate")};
    const int status = reader_.code();
    if (is_success(status)) passes_without_via_ = marks.via.empty();
    return is_of_proxy_itself(status, marks, passes_without_via_);
}

// It says nothing of the event and its token: a 410 of a proxy is no removal.
AttemptResult HttpClient::answer_of_proxy(const AttemptResult& answer) const {
    switch (meaning_at_proxy(answer.status)) {
        case ProxyAnswer::refusal:
            return proxy_refusal(answer.status);
        case ProxyAnswer::too_fast: {
            AttemptResult result =
                failure(AttemptEnd::proxy_failed, describe_proxy_refusal(answer.status));
            result.retry_after = answer.retry_after;
            return result;
        }
        case ProxyAnswer::of_request:
            break;
    }
    return answer;
}

// The answer is read meanwhile: a server may give it, and then not read on.
void HttpClient::begin_write(Request request) {
    write_error_ = {};
    if (!tls_) {
        // Nearly always the kernel takes all of it at once.
        const std::size_t size = request.rest.empty()
                                     ? socket_.write_some(asio::buffer(request.begin), write_error_)
                                     : socket_.write_some(std::array{asio::buffer(request.begin),
                                                                     asio::buffer(request.rest)},
                                                          write_error_);
        if (write_error_ == asio::error::would_block) write_error_ = {};
        const std::size_t of_begin = std::min(size, request.begin.size());
        request.begin.remove_prefix(of_begin);
        request.rest.remove_prefix(size - of_begin);
        if (write_error_ || (request.begin.empty() && request.rest.empty())) return;
    }
    writing_ = true;
    auto done = [this](const error_code& error, std::size_t) {
        writing_ = false;
        write_error_ = error;
        written_.cancel();
    };
    const std::array buffers{asio::buffer(request.begin), asio::buffer(request.rest)};
    if (tls_) {
        asio::async_write(*tls_, buffers, std::move(done));
    } else {
        asio::async_write(socket_, buffers, std::move(done));
    }
}

asio::awaitable<void> HttpClient::end_write() {
    while (writing_) {
        written_.expires_at(MonoTime::max());
        co_await written_.async_wait(asio::as_tuple(asio::deferred));
    }
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
