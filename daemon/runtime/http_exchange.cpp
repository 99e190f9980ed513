#include "http_exchange.hpp"

#include <algorithm>
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

// Small for idle connections, of which there are many; larger while there is much to read.
constexpr std::size_t min_read = 4 * 1024;
constexpr std::size_t read_size = 16 * 1024;

}  // namespace

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

HttpProblem http_problem(ReadStatus status, std::string_view problem) {
    switch (status) {
        case ReadStatus::head_too_large:
            return {431, "the header is too large"};
        case ReadStatus::body_too_large:
            return {413, "the body is too large"};
        default:
            return {400, problem.empty() ? "this is not an HTTP request" : std::string(problem)};
    }
}

http::Response refuse_plainly(ReadStatus status, std::string_view problem) {
    const HttpProblem what = http_problem(status, problem);
    return error_response(what.status, what.message);
}

http::Response error_response(int status, std::string_view message) {
    http::Response response;
    response.status = status;
    response.body = R"({"message":)";
    core::json::append_string(response.body, message);
    response.body += '}';
    return response;
}

asio::awaitable<void> serve_http(StreamSocket& socket, MonoTime& deadline, std::string first,
                                 HttpLimits limits, const HttpService& service) {
    http::RequestReader reader(limits.request);
    std::string input = std::move(first);
    std::string output;
    std::size_t wanted = min_read;
    while (true) {
        input.erase(0, reader.put(input));
        const bool has_room =
            service.share == nullptr || service.share->resize(reader.body_bytes() + input.size());
        if (reader.status() == ReadStatus::need_more && has_room) {
            if (reader.take_expects_continue()) {
                const auto go_on = http::continue_response();
                const auto [error, size] =
                    co_await asio::async_write(socket, asio::buffer(go_on.data(), go_on.size()),
                                               asio::as_tuple(asio::deferred));
                if (error) co_return;
            }
            deadline = std::chrono::steady_clock::now() +
                       (reader.started() ? limits.stall_timeout : limits.idle_timeout);
            if (service.idle != nullptr) *service.idle = !reader.started();
            const std::size_t kept = input.size();
            input.resize(kept + wanted);
            const auto [error, size] = co_await socket.async_read_some(
                asio::buffer(input.data() + kept, wanted), asio::as_tuple(asio::deferred));
            deadline = MonoTime::max();
            if (service.idle != nullptr) *service.idle = false;
            wanted = size == wanted ? std::min(2 * wanted, read_size) : min_read;
            input.resize(kept + size);
            if (error) {
                if (reader.started() && service.cut_short) service.cut_short();
                co_return;
            }
            continue;
        }
        http::Response response;
        if (reader.status() == ReadStatus::complete) {
            auto answer = co_await service.handler(reader);
            response = std::move(answer);
            response.keep_alive = response.keep_alive && reader.request().keep_alive;
            response.minor_version = reader.request().minor_version;
            response.head_only = reader.request().method == "HEAD";
        } else {
            response = reader.status() == ReadStatus::need_more
                           ? service.no_room()
                           : service.refuse(reader.status(), reader.problem());
            response.keep_alive = false;
        }
        const bool keep_alive = response.keep_alive;
        if (!keep_alive) reader.reset();  // frees a large body, which is no longer needed
        output.clear();
        http::append_response(output, response);
        deadline = std::chrono::steady_clock::now() + limits.stall_timeout;
        const auto [error, size] = co_await asio::async_write(socket, asio::buffer(output),
                                                              asio::as_tuple(asio::deferred));
        deadline = MonoTime::max();
        if (error) co_return;
        // Shrinking to 0 always succeeds.
        if (service.answers != nullptr) static_cast<void>(service.answers->resize(0));
        if (!keep_alive) {
            co_await linger(socket, deadline);
            co_return;
        }
        reader.reset();
        if (input.capacity() > 4 * read_size) input.shrink_to_fit();
    }
}

}  // namespace flowrelay::runtime
