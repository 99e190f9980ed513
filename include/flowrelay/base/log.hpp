// The interface for writing log lines, for all layers. A line has an event with a stable name and a
// severity (the catalogue is core/log_events.hpp), and fields. app/logging decides on its format
// and destination.
//
// Values are logged as they are: never put the content of a Secret or the body of an event into a
// field.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace flowrelay {

enum class Severity { debug, info, notice, warning, error, critical };

std::string_view to_string(Severity severity) noexcept;

/// An entry of the catalogue: a constant with static storage duration, compared by name.
struct LogEvent {
    std::string_view name;  ///< "delivery.retry": area, dot, what happened
    Severity severity;
    std::string_view summary;       ///< one sentence for people, without values
    std::string_view message_id{};  ///< for the systemd journal: 32 hexadecimal digits, or empty
};

/// A field of a log line. Holds views: valid only during the call to Log::write.
struct LogField {
    std::string_view key;
    std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

    LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
    LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
    LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
    LogField(std::string_view k, std::same_as<bool> auto v) : key(k), value(v) {}
    LogField(std::string_view k, double v) : key(k), value(v) {}
    template <std::signed_integral T>
    LogField(std::string_view k, T v) : key(k), value(static_cast<std::int64_t>(v)) {}
    template <std::unsigned_integral T>
        requires(!std::same_as<T, bool>)
    LogField(std::string_view k, T v) : key(k), value(static_cast<std::uint64_t>(v)) {}
};

/// Thread-safe. Never throws, and blocks on nothing but the log's own output.
class Log {
public:
    virtual ~Log() = default;

    /// Whether a line of this severity would be written. Check it before building costly fields.
    virtual bool enabled(Severity severity) const noexcept = 0;

    virtual void write(const LogEvent& event, std::span<const LogField> fields) noexcept = 0;

    void write(const LogEvent& event, std::initializer_list<LogField> fields) noexcept {
        write(event, std::span<const LogField>(fields.begin(), fields.size()));
    }
    void write(const LogEvent& event) noexcept { write(event, std::span<const LogField>()); }
};

/// Discards every line.
class NullLog final : public Log {
public:
    using Log::write;
    bool enabled(Severity) const noexcept override { return false; }
    void write(const LogEvent&, std::span<const LogField>) noexcept override {}
};

}  // namespace flowrelay
