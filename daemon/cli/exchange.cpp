#include "cli/exchange.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "cli/line_reader.hpp"
#include "flowrelay/client/unix_stream.hpp"

namespace flowrelay::cli {

namespace {

namespace errc = boost::system::errc;

Result<std::string> read_answer(client::UnixStream& stream, MonoTime deadline) {
    LineReader answers(longest_answer);
    std::array<char, 4096> chunk;
    for (;;) {
        if (const auto line = answers.next()) return std::string(line->text);
        const auto got = stream.read(chunk, deadline);
        if (!got) return got.error();
        if (*got == 0) {
            return Error{make_error_code(errc::connection_reset),
                         "flowrelayd closed the connection without an answer"};
        }
        answers.put({chunk.data(), *got});
    }
}

bool is_end(const error_code& code) {
    return code == errc::connection_reset || code == errc::broken_pipe;
}

/// Makes one attempt. Error: errc::connection_reset if the connection ended without an answer.
/// `wait` is for the message.
Result<std::string> try_exchange(const std::string& socket, std::string_view event,
                                 MonoTime deadline, Milliseconds wait) {
    auto stream = client::UnixStream::connect(socket, deadline, client::UnixStream::Absent::waits);
    if (!stream) return stream.error();
    const auto sent = stream->write_all(event, deadline);
    if (!sent && !is_end(sent.error().code)) return sent.error();
    // With too many connections, the daemon answers and closes without reading.
    auto answer = read_answer(*stream, deadline);
    if (!answer && is_end(answer.error().code)) {
        return Error{make_error_code(errc::connection_reset),
                     "flowrelayd closed the connection without an answer"};
    }
    if (!answer && answer.error().code == errc::timed_out) {
        return Error{answer.error().code,
                     fmt::format("flowrelayd did not answer within {}: the event may have been "
                                 "accepted; with a --uuid sending it again is harmless",
                                 format_duration(wait))};
    }
    return answer;
}

}  // namespace

Result<std::string> exchange(const std::string& socket, std::string_view event, Milliseconds wait) {
    const MonoTime deadline = MonoTime::clock::now() + wait;
    auto answer = try_exchange(socket, event, deadline, wait);
    while (!answer && answer.error().code == errc::connection_reset) {
        ::poll(nullptr, 0, 10);  // a stopping daemon still has its socket
        if (client::milliseconds_until(deadline) == 0) break;
        auto again = try_exchange(socket, event, deadline, wait);
        if (again || again.error().code != errc::timed_out) answer = std::move(again);
    }
    return answer;
}

}  // namespace flowrelay::cli
