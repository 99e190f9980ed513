#include "session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <string_view>
#include <utility>
#include <vector>

namespace flowrelay::devserver {

namespace asio = boost::asio;
using asio::ip::tcp;
using TlsStream = asio::ssl::stream<tcp::socket>;

namespace {

constexpr auto as_result = asio::as_tuple(asio::deferred);
constexpr http::RequestLimits limits{64 * 1024, 16 * 1024 * 1024};
constexpr std::size_t read_size = 64 * 1024;

template <class Stream>
class Session {
public:
    Session(Stream& stream, Service& service)
        : stream_(stream),
          service_(service),
          connection_(service.connection_opened()),
          reader_(limits),
          timer_(stream.get_executor()),
          input_(read_size) {}
    ~Session() { service_.connection_closed(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    asio::awaitable<void> run() {
        bool open = true;
        while (open) {
            const auto [ec, size] =
                co_await stream_.async_read_some(asio::buffer(input_), as_result);
            if (ec) co_return;
            const std::string_view bytes(input_.data(), size);
            const bool goes_on = co_await take(bytes);
            open = goes_on;
        }
    }

private:
    /// Answers all complete requests. Returns false if the connection must end.
    asio::awaitable<bool> take(std::string_view bytes) {
        while (!bytes.empty()) {
            bytes.remove_prefix(reader_.put(bytes));
            if (reader_.status() == http::ReadStatus::need_more) {
                if (reader_.take_expects_continue()) output_ += http::continue_response();
                break;
            }
            if (reader_.status() != http::ReadStatus::complete) {
                service_.refuse(reader_.status(), output_);
                co_await end_after_flush();
                co_return false;
            }
            const std::size_t before = output_.size();
            const Reply reply = service_.handle(reader_, connection_, output_);
            reader_.reset();
            if (reply.action != Action::respond || reply.delay.count() > 0) {
                const std::string answer = output_.substr(before);
                output_.resize(before);
                const bool sent = co_await flush();
                if (!sent) co_return false;
                output_ = answer;
                const bool goes_on = co_await perform(reply);
                if (!goes_on) co_return false;
            }
            if (!reply.keep_alive) {
                co_await flush();
                co_return false;
            }
        }
        co_return co_await flush();
    }

    asio::awaitable<bool> flush() {
        if (output_.empty()) co_return true;
        const auto [ec, size] =
            co_await asio::async_write(stream_, asio::buffer(output_), as_result);
        output_.clear();
        co_return !ec;
    }

    asio::awaitable<void> pause(std::chrono::milliseconds time) {
        timer_.expires_after(time);
        co_await timer_.async_wait(as_result);
    }

    /// Carries out a reply whose bytes are in output_. Returns false if the connection must end.
    asio::awaitable<bool> perform(Reply reply) {
        if (reply.delay.count() > 0) co_await pause(reply.delay);
        switch (reply.action) {
            case Action::respond:
                co_return true;
            case Action::close:
            case Action::accept_then_close:
                co_return false;
            case Action::reset:
                reset();
                co_return false;
            case Action::hang:
                co_await read_until_end();
                co_return false;
            case Action::garbage:
                output_ = "\x16\x03\x01 this is no HTTP \r\n\r\n";
                co_await flush();
                co_return false;
            case Action::trickle:
                break;
        }
        co_return co_await trickle();
    }

    asio::awaitable<bool> trickle() {
        const std::string answer = std::exchange(output_, {});
        for (const char c : answer) {
            output_.assign(1, c);
            const bool sent = co_await flush();
            if (!sent) co_return false;
            co_await pause(std::chrono::seconds(1));
        }
        co_return true;
    }

    asio::awaitable<void> read_until_end() {
        bool open = true;
        while (open) {
            const auto [ec, size] =
                co_await stream_.async_read_some(asio::buffer(input_), as_result);
            open = !ec;
        }
    }

    /// Closing with unread input would reset the connection, and the client could lose the answer.
    asio::awaitable<void> end_after_flush() {
        co_await flush();
        error_code ignored;
        stream_.lowest_layer().shutdown(tcp::socket::shutdown_send, ignored);
        co_await read_until_end();
    }

    void reset() {
        error_code ignored;
        auto& socket = stream_.lowest_layer();
        socket.set_option(asio::socket_base::linger(true, 0), ignored);
        socket.close(ignored);
    }

    Stream& stream_;
    Service& service_;
    std::uint64_t connection_;
    http::RequestReader reader_;
    asio::steady_timer timer_;
    std::vector<char> input_;
    std::string output_;
};

}  // namespace

asio::awaitable<void> serve(tcp::socket socket, Service& service) {
    Session<tcp::socket> session(socket, service);
    co_await session.run();
}

asio::awaitable<void> serve_tls(tcp::socket socket, asio::ssl::context& tls, Service& service) {
    TlsStream stream(std::move(socket), tls);
    Session<TlsStream> session(stream, service);
    const auto [failed] = co_await stream.async_handshake(TlsStream::server, as_result);
    if (failed) co_return;
    co_await session.run();
    // Without close_notify, a client considers a body without a length truncated.
    co_await stream.async_shutdown(as_result);
}

}  // namespace flowrelay::devserver
