#include "cli/control_client.hpp"

#include <fmt/core.h>

#include <array>

#include "cli/unix_stream.hpp"
#include "flowrelay/app/text.hpp"
#include "flowrelay/http/response_reader.hpp"

namespace flowrelay::cli {

namespace {

Error broken(std::string message) {
    return {make_error_code(boost::system::errc::protocol_error), std::move(message)};
}

}  // namespace

Result<std::string> get_from_daemon(const std::string& socket, std::string_view target,
                                    Milliseconds wait) {
    const MonoTime deadline = MonoTime::clock::now() + wait;
    auto stream = UnixStream::connect(socket, deadline);
    if (!stream) return stream.error();
    const std::string request = fmt::format(
        "GET {} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
        "Connection: close\r\n\r\n",
        target);
    if (const auto sent = stream->write_all(request, deadline); !sent) return sent.error();
    http::ResponseLimits limits;
    limits.body = limits.drain = 64ULL << 20;
    http::ResponseReader reader(limits);
    std::array<char, 16384> chunk;
    while (reader.status() == http::ResponseStatus::need_more) {
        const auto got = stream->read(chunk, deadline);
        if (!got) return got.error();
        if (*got == 0) {
            reader.put_end();
        } else {
            reader.put({chunk.data(), *got});
        }
    }
    if (reader.status() == http::ResponseStatus::broken) {
        return broken(fmt::format("{} gave no proper answer: {}", socket, reader.error()));
    }
    if (reader.code() != 200) {
        return broken(fmt::format("flowrelayd answered {}: {:.200}", reader.code(),
                                  app::printable(reader.body())));
    }
    return std::string(reader.body());
}

}  // namespace flowrelay::cli
