#include "cli/control_client.hpp"

#include <fmt/format.h>

#include <utility>

#include "cli/complain.hpp"

namespace flowrelay::cli {

Result<DaemonReply> call_daemon(const std::string& socket, std::string_view method,
                                std::string_view target, std::string_view body, Milliseconds wait) {
    // After a few silent seconds, tell the user why nothing happens.
    return client::call_daemon(socket, method, target, body, wait, [wait] {
        note(fmt::format("No answer from flowrelayd yet; waiting for up to {}.",
                         format_duration(wait)));
    });
}

Result<std::string> get_from_daemon(const std::string& socket, std::string_view target,
                                    Milliseconds wait) {
    auto reply = call_daemon(socket, "GET", target, {}, wait);
    if (!reply) return reply.error();
    if (reply->code != 200) {
        return Error{make_error_code(boost::system::errc::protocol_error), message_of(*reply)};
    }
    return std::move(reply->body);
}

ExitCode exit_code_of(const DaemonReply& reply) noexcept {
    return reply.ok() ? ExitCode::ok : exit_code_of(client::failure_of(reply));
}

}  // namespace flowrelay::cli
