// The journal's native protocol: one datagram per entry, with separate fields, so that readers need
// not parse text (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). It is simple enough not to need
// libsystemd.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "flowrelay/app/logging.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::app {

/// Path of journald's socket.
inline constexpr std::string_view journal_socket_path = "/run/systemd/journal/socket";

/// Returns the syslog severity (RFC 5424, section 6.2.1).
int syslog_priority(Severity severity) noexcept;

/// Returns one entry: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, MESSAGE_ID, FLOWRELAY_EVENT, and the
/// fields of the line as FLOWRELAY_SOURCE, FLOWRELAY_NEXT_IN and so on. Truncates the message at
/// 8192 bytes and each value at 2048, so that a line of a dozen fields always fits into a datagram,
/// and replaces invalid UTF-8 by U+FFFD. `program` is what `journalctl -t` finds the entry by.
/// Pure; any thread.
std::string format_journal_entry(std::string_view message, const LogEvent& event,
                                 std::span<const LogField> fields,
                                 std::string_view program = daemon_name);

/// A connection to journald. Owned by one thread at a time.
class JournalSocket {
public:
    explicit JournalSocket(std::string path = std::string(journal_socket_path));
    JournalSocket(const JournalSocket&) = delete;
    JournalSocket& operator=(const JournalSocket&) = delete;
    ~JournalSocket();

    enum class Outcome {
        sent,
        busy,        ///< journald does not read; the entry is lost
        impossible,  ///< no process listens, or the entry can't be sent; log it elsewhere
    };
    /// Sends an entry. Waits up to `patience` if journald is slow.
    Outcome send(std::string_view entry, Milliseconds patience) noexcept;

private:
    bool connect() noexcept;

    std::string path_;
    int fd_ = -1;
};

}  // namespace flowrelay::app
