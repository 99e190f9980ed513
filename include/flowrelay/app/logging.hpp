// How log lines look and where they go. What is logged: core/log_events.hpp.
//
// text  `2026-11-23T09:00:00.123Z warning event=delivery.retry source=ci status=503` (logfmt). A
//       value with anything but plain characters is quoted, with \" \\ \n \r \t and \u00XX, so
//       that whatever a producer sends, a line stays one line.
// json  one object a line: "time", "severity", "event", then the fields.
// When the output is the journal, text lines begin with a priority (<4>, see sd-daemon(3)) and
// leave out the time, which the journal has itself.
#pragma once

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

/// A log that writes to `sink`. `clock` outlives it.
std::unique_ptr<Log> make_log(const LogConfig& config, std::shared_ptr<spdlog::sinks::sink> sink,
                              bool for_journal, const Clock& clock);

/// A log that writes to stderr. `clock` outlives it.
std::unique_ptr<Log> make_log(const LogConfig& config, const Clock& clock);

}  // namespace flowrelay::app
