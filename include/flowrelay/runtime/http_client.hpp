// One connection to the destination at a time, made when it is needed and kept for the next event.
// I/O thread only; one request at a time.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/verdict.hpp"
#include "flowrelay/http/response_reader.hpp"
#include "flowrelay/runtime/destination.hpp"
#include "flowrelay/runtime/resolver.hpp"
#include "flowrelay/runtime/tls.hpp"

namespace flowrelay::runtime {

class HttpClient {
public:
    /// All references outlive the client. `tls` may be null for plain http.
    HttpClient(boost::asio::any_io_executor io, const Destination& destination,
               boost::asio::ssl::context* tls, Resolver& resolver, const Clock& clock);

    /// Sends a whole request and reads the answer. A kept connection that turns out to be closed
    /// before a byte of the answer came is replaced once, without a failure. `request` lives until
    /// the end.
    boost::asio::awaitable<core::AttemptResult> post(std::string_view request);

    /// The body of the answer that post() has just read.
    std::string_view answer_body() const { return reader_.body(); }

    /// Ends what takes longer than its timeout. To be called a few times a second.
    void check_deadline(MonoTime now);

    /// Ends the running request: post() returns a failure soon.
    void abort();

    /// Closes a kept connection. Not during a request.
    void close();

    bool connected() const noexcept { return open_; }

private:
    using Failure = std::optional<core::AttemptResult>;

    boost::asio::awaitable<Failure> connect();
    boost::asio::awaitable<Failure> connect_to(Resolver::Endpoints endpoints, MonoTime deadline,
                                               std::string peer);
    boost::asio::awaitable<Failure> open_tunnel();
    boost::asio::awaitable<Failure> shake_hands();
    boost::asio::awaitable<core::AttemptResult> exchange(std::string_view request);
    core::AttemptResult result_of_answer(MonoTime now);
    core::AttemptResult failure(core::AttemptEnd end, std::string detail) const;
    boost::asio::awaitable<error_code> write(std::string_view bytes);
    boost::asio::awaitable<std::pair<error_code, std::size_t>> read_some();
    void allow(MonoTime::duration time);

    boost::asio::any_io_executor io_;
    const Destination& destination_;
    boost::asio::ssl::context* tls_context_;
    Resolver& resolver_;
    const Clock& clock_;

    boost::asio::ip::tcp::socket socket_;
    std::optional<TlsStream> tls_;
    http::ResponseReader reader_;
    std::array<char, 16 * 1024> buffer_;
    bool open_ = false;
    bool busy_ = false;
    bool timed_out_ = false;
    bool aborted_ = false;
    MonoTime deadline_{};
    MonoTime last_used_{};
};

}  // namespace flowrelay::runtime
