// The journal's native protocol: one datagram an entry, with a field for each thing that is known,
// so that nobody has to parse text (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). It is short
// enough to speak without libsystemd.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"

namespace flowrelay::app {

/// Where journald listens.
inline constexpr std::string_view journal_socket_path = "/run/systemd/journal/socket";

/// Severities as syslog counts them (RFC 5424, section 6.2.1).
int syslog_priority(Severity severity) noexcept;

/// One entry: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, MESSAGE_ID, FLOWRELAY_EVENT, and the fields of
/// the line as FLOWRELAY_SOURCE, FLOWRELAY_NEXT_IN and so on. A message is cut off at 8192 bytes, a
/// value at 2048, invalid UTF-8 is replaced by U+FFFD: a line of a dozen fields fits into a
/// datagram, whatever is in it. Pure; any thread.
std::string format_journal_entry(std::string_view message, const LogEvent& event,
                                 std::span<const LogField> fields);

/// The way to journald. Owned by one thread at a time.
class JournalSocket {
public:
    explicit JournalSocket(std::string path = std::string(journal_socket_path));
    JournalSocket(const JournalSocket&) = delete;
    JournalSocket& operator=(const JournalSocket&) = delete;
    ~JournalSocket();

    enum class Outcome {
        sent,
        busy,        ///< journald does not read: the entry is lost
        impossible,  ///< nobody listens there, or it can't be sent: say it elsewhere
    };
    /// Waits for a journald that is behind, up to `patience`.
    Outcome send(std::string_view entry, Milliseconds patience) noexcept;

private:
    bool connect() noexcept;

    std::string path_;
    int fd_ = -1;
};

}  // namespace flowrelay::app
