#include "journal.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <variant>

#include "flowrelay/base/ascii.hpp"
#include "flowrelay/base/utf8.hpp"

namespace flowrelay::app {

namespace {

constexpr std::size_t longest_message = 8192;
constexpr std::size_t longest_value = 2048;

/// Truncates the text to at most `limit` bytes, at the end of a character.
std::string_view shorten(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text;
    std::size_t end = limit;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    return text.substr(0, end);
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    if (value.find('\n') == std::string_view::npos) {
        out += '=';
    } else {
        // A value with line breaks is preceded by its length, 64 bits little-endian.
        out += '\n';
        for (unsigned shift = 0; shift < 64; shift += 8) {
            out += static_cast<char>(static_cast<std::uint64_t>(value.size()) >> shift & 0xFF);
        }
    }
    out += value;
    out += '\n';
}

std::string text_of(const LogField& field) {
    return std::visit(
        [](const auto& value) {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) {
                return repair_utf8(shorten(value, longest_value));
            } else {
                return fmt::format("{}", value);
            }
        },
        field.value);
}

std::string field_name(std::string_view key) {
    std::string name = "FLOWRELAY_";
    for (const char c : key) {
        const bool lower = c >= 'a' && c <= 'z';
        name += lower ? static_cast<char>(c - 'a' + 'A') : ascii::is_word(c) ? c : '_';
    }
    return name;
}

}  // namespace

int syslog_priority(Severity severity) noexcept {
    switch (severity) {
        case Severity::debug:
            return 7;
        case Severity::info:
            return 6;
        case Severity::notice:
            return 5;
        case Severity::warning:
            return 4;
        case Severity::error:
            return 3;
        case Severity::critical:
            return 2;
    }
    return 5;
}

std::string format_journal_entry(std::string_view message, const LogEvent& event,
                                 std::span<const LogField> fields, std::string_view program) {
    std::string entry;
    entry.reserve(512);
    append_field(entry, "MESSAGE", shorten(message, longest_message));
    append_field(entry, "PRIORITY", std::to_string(syslog_priority(event.severity)));
    append_field(entry, "SYSLOG_IDENTIFIER", program);
    if (!event.message_id.empty()) append_field(entry, "MESSAGE_ID", event.message_id);
    append_field(entry, "FLOWRELAY_EVENT", event.name);
    for (const LogField& field : fields) {
        append_field(entry, field_name(field.key), text_of(field));
    }
    return entry;
}

JournalSocket::JournalSocket(std::string path) : path_(std::move(path)) {
    connect();
}

JournalSocket::~JournalSocket() {
    if (fd_ >= 0) ::close(fd_);
}

// Connects the socket, so that poll() shows when journald has room.
bool JournalSocket::connect() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path_.size() >= sizeof to.sun_path) return false;
    std::memcpy(to.sun_path, path_.data(), path_.size());
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
        ::close(fd);
        return false;
    }
    fd_ = fd;
    return true;
}

JournalSocket::Outcome JournalSocket::send(std::string_view entry, Milliseconds patience) noexcept {
    bool connected_anew = false;
    for (int tries = 0; tries < 10; ++tries) {
        if (fd_ >= 0 && ::send(fd_, entry.data(), entry.size(), MSG_NOSIGNAL) >= 0) {
            return Outcome::sent;
        }
        const int error = fd_ < 0 ? ENOTCONN : errno;
        if (error == EINTR) continue;
        if (error == EAGAIN) {
            pollfd writable{fd_, POLLOUT, 0};
            if (::poll(&writable, 1, static_cast<int>(patience.count())) <= 0) return Outcome::busy;
            continue;
        }
        const bool gone = error == ENOTCONN || error == ECONNREFUSED || error == ECONNRESET;
        if (!gone || connected_anew || !connect()) return Outcome::impossible;
        connected_anew = true;
    }
    return Outcome::busy;
}

}  // namespace flowrelay::app
