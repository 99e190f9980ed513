// How log lines look and where they go. What is logged: core/log_events.hpp.
//
// text  `2026-11-23T09:00:00.123Z warning event=delivery.retry source=ci status=503` (logfmt). A
//       value with anything but plain characters is quoted, with \" \\ \n \r \t and \u00XX, so
//       that whatever a producer sends, a line stays one line.
// json  one object a line: "time", "severity", "event", then the fields.
// journal  entries with fields and message ids, by the journal's own protocol (app/journal.hpp).
// Their
//       message is the line of `text`, without the time, which the journal has itself.
// When stderr is the journal (systemd.exec(5)), `text` is the same as `journal`: who reads the
// lines sees no difference, and `journalctl -x` and the fields come with them. Where journald's
// socket can't be reached, lines go to stderr after all; they begin with a priority (<4>, see
// sd-daemon(3)) if that is the journal.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"

namespace spdlog::sinks {
class sink;
}

namespace flowrelay::app {

/// One line without its line break. Values over 2048 bytes are cut off, invalid UTF-8 is replaced
/// by U+FFFD. Pure; any thread.
std::string format_log_line(LogFormat format, bool for_journal, WallTime time,
                            const LogEvent& event, std::span<const LogField> fields);

/// Whether this descriptor is the stream that systemd connected to the journal
/// (JOURNAL_STREAM in systemd.exec(5)).
bool is_journal_stream(int fd);

/// A log whose level can be changed while it is used. Any thread.
class LeveledLog : public Log {
public:
    explicit LeveledLog(Severity level) noexcept : level_(level) {}
    bool enabled(Severity severity) const noexcept override { return severity >= level_.load(); }
    void set_level(Severity level) noexcept { level_.store(level); }

private:
    std::atomic<Severity> level_;
};

/// A log that writes to `sink`. `clock` outlives it.
std::unique_ptr<LeveledLog> make_log(const LogConfig& config,
                                     std::shared_ptr<spdlog::sinks::sink> sink, bool for_journal,
                                     const Clock& clock);

/// A log that writes to a descriptor, which stays the caller's. It never waits for who reads there:
/// up to 64 KiB of lines are kept meanwhile, further ones are lost, and the next one that is
/// written says how many (`lost`). `clock` outlives it.
std::unique_ptr<LeveledLog> make_descriptor_log(const LogConfig& config, int fd, bool for_journal,
                                                const Clock& clock);

/// A log that writes to the journal at this socket, and to `fallback` what can't be sent there.
/// While journald does not read, lines are lost, and the next one says how many (`lost`).
std::unique_ptr<LeveledLog> make_journal_log(Severity level, std::string socket_path,
                                             std::unique_ptr<Log> fallback);

/// The log of the daemon: to stderr or to the journal, as described above. `clock` outlives it.
std::unique_ptr<LeveledLog> make_log(const LogConfig& config, const Clock& clock);

}  // namespace flowrelay::app
