#include "flowrelay/client/daemon_call.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "flowrelay/app/text.hpp"
#include "flowrelay/base/ascii.hpp"
#include "flowrelay/client/unix_stream.hpp"
#include "flowrelay/http/response_reader.hpp"

namespace flowrelay::client {

namespace {

constexpr unsigned request_too_long = 431;
constexpr Milliseconds silent_wait = Seconds(5);

Error broken(std::string message) {
    return {make_error_code(boost::system::errc::protocol_error), std::move(message)};
}

Error no_answer(Milliseconds waited) {
    return {make_error_code(boost::system::errc::timed_out),
            fmt::format("flowrelayd did not answer within {}: is it stopped, or its disk stuck? "
                        "`systemctl status flowrelayd`",
                        format_duration(waited))};
}

/// Returns whether the ingest socket answered. It does not know resources like /v1/status, and its
/// error lacks the "code" that every error of the control socket has.
bool is_of_ingest(const DaemonReply& reply) {
    if (reply.code != 404 && reply.code != 405) return false;
    boost::system::error_code error;
    const auto value = boost::json::parse(reply.body, error);
    return !error && value.is_object() && value.get_object().contains("message") &&
           !value.get_object().contains("code");
}

}  // namespace

Result<DaemonReply> call_daemon(const std::string& socket, std::string_view method,
                                std::string_view target, std::string_view body, Milliseconds wait,
                                const std::function<void()>& still_waiting) {
    const MonoTime deadline = MonoTime::clock::now() + wait;
    auto stream = UnixStream::connect(socket, deadline);
    if (!stream) return stream.error();
    std::string request = fmt::format(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n",
        method, target);
    if (!body.empty()) {
        request +=
            fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    } else if (method == "POST") {
        request += "Content-Length: 0\r\n";
    }
    request += "\r\n";
    request += body;
    if (const auto sent = stream->write_all(request, deadline); !sent) return sent.error();
    http::ResponseLimits limits;
    limits.body = limits.drain = 64ULL << 20;
    http::ResponseReader reader(limits);
    std::array<char, 16384> chunk;
    // After a few silent seconds, tell the user why nothing happens.
    bool told = !still_waiting || wait <= 2 * silent_wait;
    while (reader.status() == http::ResponseStatus::need_more) {
        const auto got = stream->read(chunk, told ? deadline : deadline - wait + silent_wait);
        if (!got && got.error().code == boost::system::errc::timed_out) {
            if (told) return no_answer(wait);
            still_waiting();
            told = true;
            continue;
        }
        if (!got) return got.error();
        if (*got == 0) {
            reader.put_end();
        } else {
            reader.put({chunk.data(), *got});
        }
    }
    if (reader.status() == http::ResponseStatus::broken) {
        return broken(fmt::format("{} gave an invalid answer: {}", socket, reader.error()));
    }
    DaemonReply reply{reader.code(), std::string(reader.body()),
                      std::string(reader.field("Flowrelay-Next"))};
    if (is_of_ingest(reply)) {
        return Error{make_error_code(boost::system::errc::connection_refused),
                     fmt::format("{} is where flowrelayd takes events; this command needs its "
                                 "control socket",
                                 socket)};
    }
    return reply;
}

std::string message_of(const DaemonReply& reply) {
    if (reply.code == request_too_long) return "an id or a name of the command line is too long";
    boost::system::error_code error;
    const auto value = boost::json::parse(reply.body, error);
    if (!error && value.is_object()) {
        const auto* message = value.get_object().if_contains("message");
        if (message != nullptr && message->is_string()) {
            return app::printable(message->get_string());
        }
    }
    return fmt::format("flowrelayd answered {}: {:.200}", reply.code, app::printable(reply.body));
}

Failure failure_of(const DaemonReply& reply) noexcept {
    if (reply.code == 400 || reply.code == request_too_long) return Failure::usage;
    if (reply.code == 403) return Failure::not_permitted;
    return reply.code >= 500 ? Failure::try_later : Failure::rejected;
}

}  // namespace flowrelay::client
