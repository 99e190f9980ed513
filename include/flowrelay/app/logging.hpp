// Formats log lines and writes them to stderr or the journal. core/log_events.hpp lists the events.
//
// - `text` is logfmt: `2026-11-23T09:00:00.123Z warning event=delivery.retry source=ci status=503`.
//   A value with anything but plain characters is quoted, with \" \\ \n \r \t and \u00XX, so that
//   no producer can break a line in two.
// - `json` is one object per line: "time", "severity", "event", then the fields.
// - `journal` is entries with fields and message ids, by the journal's own protocol
//   (app/journal.hpp). The message is the line of `text` without the time, which the journal adds.
//
// If stderr is the journal (systemd.exec(5)), `text` is the same as `journal`: the lines look the
// same, and `journalctl -x` and the fields work as well. If journald's socket can't be reached,
// lines go to stderr; if that is the journal, they begin with a priority (<4>, see sd-daemon(3)).
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "flowrelay/app/config.hpp"
#include "flowrelay/base/log.hpp"
#include "flowrelay/base/time.hpp"

namespace spdlog::sinks {
class sink;
}

namespace flowrelay::app {

/// What `journalctl -t` finds the lines of the daemon by.
inline constexpr std::string_view daemon_name = "flowrelayd";

/// Returns one line without its line break. Truncates values over 2048 bytes and replaces invalid
/// UTF-8 by U+FFFD. Pure; any thread.
std::string format_log_line(LogFormat format, bool for_journal, WallTime time,
                            const LogEvent& event, std::span<const LogField> fields);

/// Returns whether `fd` is the stream that systemd connected to the journal (JOURNAL_STREAM in
/// systemd.exec(5)).
bool is_journal_stream(int fd);

/// A log whose level can be changed while it is in use. Any thread.
class LeveledLog : public Log {
public:
    explicit LeveledLog(Severity level) noexcept : level_(level) {}
    bool enabled(Severity severity) const noexcept override { return severity >= level_.load(); }
    void set_level(Severity level) noexcept { level_.store(level); }

private:
    std::atomic<Severity> level_;
};

/// Returns a log that writes to `sink`. `clock` outlives it.
std::unique_ptr<LeveledLog> make_log(const LogConfig& config,
                                     std::shared_ptr<spdlog::sinks::sink> sink, bool for_journal,
                                     const Clock& clock);

/// Returns a log that writes to `fd`, which remains the caller's. It never waits for the reader: it
/// buffers up to 64 KiB of lines and drops further ones; the next line written has their number
/// (`lost`). `clock` outlives it.
std::unique_ptr<LeveledLog> make_descriptor_log(const LogConfig& config, int fd, bool for_journal,
                                                const Clock& clock);

/// Returns a log that writes to the journal at `socket_path`, and to `fallback` what can't be sent
/// there. While journald does not read, lines are dropped; the next line has their number (`lost`).
/// `program` is the name in the journal.
std::unique_ptr<LeveledLog> make_journal_log(Severity level, std::string socket_path,
                                             std::unique_ptr<Log> fallback,
                                             std::string_view program = daemon_name);

/// Returns the log of a program, which writes to stderr or to the journal as described above.
/// `clock` outlives it.
std::unique_ptr<LeveledLog> make_log(const LogConfig& config, const Clock& clock,
                                     std::string_view program = daemon_name);

}  // namespace flowrelay::app
