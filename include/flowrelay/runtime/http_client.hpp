// One connection to the destination at a time, made when it is needed and kept for the next event.
// I/O thread only; one request at a time.
#pragma once

#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "flowrelay/base/time.hpp"
#include "flowrelay/core/verdict.hpp"
#include "flowrelay/http/response_reader.hpp"
#include "flowrelay/runtime/address_race.hpp"
#include "flowrelay/runtime/destination.hpp"
#include "flowrelay/runtime/resolver.hpp"
#include "flowrelay/runtime/tls.hpp"

namespace flowrelay::runtime {

class HttpClient {
public:
    /// All references outlive the client. `tls` may be null for plain http.
    HttpClient(boost::asio::any_io_executor io, const Destination& destination, TlsContext* tls,
               Resolver& resolver, const Clock& clock);

    /// Asked before each write of a request: false, and it is not written; post() returns
    /// `withdrawn` then, with AttemptResult::sent_before if it had been written before.
    void set_condition(std::function<bool()> holds) { holds_ = std::move(holds); }

    /// A whole request, in one piece or in two that follow one another: a large body need not be
    /// copied behind its head.
    struct Request {
        Request(std::string_view whole) noexcept : begin(whole) {}
        Request(const std::string& whole) noexcept : begin(whole) {}
        Request(std::string_view first, std::string_view second) noexcept
            : begin(first), rest(second) {}

        std::string_view begin;
        std::string_view rest;  ///< may be empty
    };

    enum class Connection {
        any,    ///< a kept one if there is one
        fresh,  ///< closes a kept one and makes another: its answer can be no earlier request's
    };

    /// Sends a whole request and reads the answer, which may come before all of the request was
    /// sent. `request` lives until the end.
    ///
    /// A kept connection is used again unless it has idled too long, the server has hung up or sent
    /// what nobody asked for, or the name no longer leads to its address. Should it end before a
    /// byte of the answer came, the request is sent once more, at once, over a fresh one (RFC 9112,
    /// section 9.3.1), and AttemptResult::sent_before says so if the first one was sent as a whole.
    ///
    /// A second response to one request is not taken for the answer to the next one if it comes
    /// within `quiet_time` of the first, or sooner after the next request than a round trip takes.
    /// After one was seen, connections are not used again for `distrust_time`. Nor is what comes on
    /// a fresh connection before the request an answer to it.
    boost::asio::awaitable<core::AttemptResult> post(Request request,
                                                     Connection connection = Connection::any);

    /// How long nothing may come after an answer before the next request follows it.
    static constexpr auto quiet_time = std::chrono::microseconds(150);
    static constexpr Milliseconds distrust_time = std::chrono::minutes(10);

    /// Whether the last answer came on a connection that had carried other requests.
    bool answered_on_kept() const noexcept { return on_kept_; }

    /// The body of the answer that post() has just read.
    std::string_view answer_body() const { return reader_.body(); }

    /// Gives the memory of a large answer back. Its parts are gone.
    void forget_answer() { reader_.reset(); }

    /// Where it leads to, if it is a redirect.
    std::string_view answer_location() const { return reader_.field("Location"); }

    /// Ends what takes longer than its timeout. To be called a few times a second.
    void check_deadline(MonoTime now);

    /// Ends the running request: post() returns a failure soon.
    void abort();

    /// Closes a kept connection. Not during a request.
    void close();

    bool connected() const noexcept { return open_; }

    /// How long the kept connection may be used again; then close() is in order. The server can
    /// shorten it with "Keep-Alive: timeout=SECONDS".
    MonoTime kept_until() const noexcept { return kept_until_; }

private:
    using Failure = std::optional<core::AttemptResult>;

    const std::string& peer_host() const;
    std::uint16_t peer_port() const;
    bool is_reusable(MonoTime now);
    bool is_silent();
    bool came_too_soon(MonoTime::duration elapsed);
    void note_second_answer(MonoTime now) { distrusted_until_ = now + distrust_time; }
    bool has_answer() const;
    bool is_settled() const;
    bool is_of_proxy();
    bool speaks_first();
    void judge_body(core::AttemptResult& result) const;
    boost::asio::awaitable<Failure> connect();
    boost::asio::awaitable<Failure> set_up();
    boost::asio::awaitable<Failure> open_tunnel();
    boost::asio::awaitable<Failure> shake_hands();
    boost::asio::awaitable<core::AttemptResult> exchange(Request request, MonoTime begun,
                                                         bool reused);
    error_code read_what_is_there();
    void take_answer(const error_code& error, std::size_t size);
    core::AttemptResult result_of_answer(MonoTime now);
    core::AttemptResult result_without_answer(const error_code& read_error);
    core::AttemptResult failure(core::AttemptEnd end, std::string detail) const;
    std::string describe_proxy_refusal(int status) const;
    core::AttemptResult proxy_refusal(int status) const;
    core::AttemptResult answer_of_proxy(const core::AttemptResult& answer) const;
    void begin_write(Request request);
    boost::asio::awaitable<void> end_write();
    boost::asio::awaitable<std::pair<error_code, std::size_t>> read_some();
    void allow_until(MonoTime deadline);
    core::AttemptResult withdrawn(bool sent_before) const;

    const Destination& destination_;
    TlsContext* tls_context_;
    Resolver& resolver_;
    const Clock& clock_;
    std::function<bool()> holds_ = [] { return true; };

    AddressRace race_;
    boost::asio::ip::tcp::socket socket_;
    boost::asio::ip::tcp::endpoint endpoint_;  ///< what socket_ is connected to
    std::optional<TlsStream> tls_;
    TlsObjection tls_objection_;
    http::ResponseReader reader_;
    std::array<char, 16 * 1024> buffer_;
    bool open_ = false;
    bool busy_ = false;
    bool timed_out_ = false;
    bool aborted_ = false;
    bool out_of_step_ = false;         ///< what was read answers an earlier request
    bool passes_without_via_ = false;  ///< the proxy does not mark what it passes on
    bool on_kept_ = false;             ///< the last exchange was on a kept connection
    bool surplus_ = false;             ///< more came with the answer than the answer
    MonoTime deadline_{};
    MonoTime answered_at_{};  ///< when the last answer had been read
    MonoTime kept_until_{};
    MonoTime distrusted_until_{};
    boost::asio::steady_timer quiet_;  ///< ends at quiet_time after that
    MonoTime::duration round_trip_{};  ///< of the connection when it was made

    bool writing_ = false;  ///< a write is under way; its bytes and tls_ have to stay
    error_code write_error_;
    boost::asio::steady_timer written_;  ///< cancelled when a write ends
};

}  // namespace flowrelay::runtime
