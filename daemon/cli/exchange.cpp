#include "cli/exchange.hpp"

#include <fmt/core.h>

#include <array>
#include <cstddef>
#include <optional>

#include "cli/line_reader.hpp"
#include "cli/unix_stream.hpp"

namespace flowrelay::cli {

namespace {

namespace errc = boost::system::errc;

constexpr std::size_t longest_answer = 1 << 20;

Result<std::string> read_answer(UnixStream& stream, MonoTime deadline) {
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

}  // namespace

Result<std::string> exchange(const std::string& socket, std::string_view event, Milliseconds wait) {
    const MonoTime deadline = MonoTime::clock::now() + wait;
    auto stream = UnixStream::connect(socket, deadline);
    if (!stream) return stream.error();
    const auto sent = stream->write_all(event, deadline);
    if (!sent && sent.error().code == errc::timed_out) return sent.error();
    // A daemon that has too many connections answers and closes without reading.
    auto answer = read_answer(*stream, deadline);
    if (!answer && answer.error().code == errc::timed_out) {
        return Error{answer.error().code,
                     fmt::format("flowrelayd did not answer within {}: the event may have been "
                                 "accepted; with a --uuid sending it again is harmless",
                                 format_duration(wait))};
    }
    return answer || sent ? answer : Result<std::string>(sent.error());
}

}  // namespace flowrelay::cli
