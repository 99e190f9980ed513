#include "flowrelay/app/logging.hpp"

#include <fmt/core.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "flowrelay/app/text.hpp"

namespace flowrelay::app {

namespace {

/// RFC 5424, section 6.2.1.
int syslog_priority(Severity severity) {
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

bool is_plain(std::string_view value) {
    return !value.empty() && value.size() < 2048 &&
           std::ranges::all_of(
               value,
               [](char c) {
                   return c > 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '=' && c != '\'';
               });
}

void append_text_value(std::string& out, const LogField& field) {
    std::visit(
        [&](const auto& value) {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, std::string_view>) {
                if (is_plain(value)) {
                    out += value;
                } else {
                    append_quoted(out, value);
                }
            } else {
                out += fmt::format("{}", value);
            }
        },
        field.value);
}

void append_json_value(std::string& out, const LogField& field) {
    std::visit(
        [&](const auto& value) {
            using T = std::decay_t<decltype(value)>;
            if constexpr (std::is_same_v<T, std::string_view>) {
                append_quoted(out, value);
            } else if constexpr (std::is_same_v<T, double>) {
                out += std::isfinite(value) ? fmt::format("{}", value) : "null";
            } else {
                out += fmt::format("{}", value);
            }
        },
        field.value);
}

class SpdlogLog final : public Log {
public:
    using Log::write;

    SpdlogLog(const LogConfig& config, spdlog::sink_ptr sink, bool for_journal, const Clock& clock)
        : format_(config.format),
          level_(config.level),
          for_journal_(for_journal),
          clock_(clock),
          logger_("flowrelay", std::move(sink)) {
        logger_.set_pattern("%v");
        logger_.set_level(spdlog::level::trace);
        logger_.flush_on(spdlog::level::trace);
        // There is nowhere left to say that stderr is broken.
        logger_.set_error_handler([](const std::string&) {});
    }

    bool enabled(Severity severity) const noexcept override { return severity >= level_; }

    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override {
        if (!enabled(event.severity)) return;
        try {
            const std::string line =
                format_log_line(format_, for_journal_, clock_.now().wall, event, fields);
            logger_.log(spdlog::level::info, spdlog::string_view_t(line));
        } catch (...) {
            // Out of memory: the line is lost, the relay goes on.
        }
    }

private:
    LogFormat format_;
    Severity level_;
    bool for_journal_;
    const Clock& clock_;
    spdlog::logger logger_;
};

}  // namespace

std::string format_log_line(LogFormat format, bool for_journal, WallTime time,
                            const LogEvent& event, std::span<const LogField> fields) {
    std::string line;
    line.reserve(256);
    if (format == LogFormat::json) {
        line += fmt::format(R"({{"time":"{}","severity":"{}","event":"{}")", format_time(time),
                            to_string(event.severity), event.name);
        for (const LogField& field : fields) {
            line += fmt::format(R"(,"{}":)", field.key);
            append_json_value(line, field);
        }
        line += '}';
        return line;
    }
    if (for_journal) {
        line += fmt::format("<{}>", syslog_priority(event.severity));
    } else {
        line += format_time(time);
        line += ' ';
    }
    line += fmt::format("{} event={}", to_string(event.severity), event.name);
    for (const LogField& field : fields) {
        line += fmt::format(" {}=", field.key);
        append_text_value(line, field);
    }
    return line;
}

bool is_journal_stream(int fd) {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status{};
    if (stream == nullptr || ::fstat(fd, &status) != 0) return false;
    return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

std::unique_ptr<Log> make_log(const LogConfig& config, std::shared_ptr<spdlog::sinks::sink> sink,
                              bool for_journal, const Clock& clock) {
    return std::make_unique<SpdlogLog>(config, std::move(sink), for_journal, clock);
}

std::unique_ptr<Log> make_log(const LogConfig& config, const Clock& clock) {
    return make_log(config, std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                    is_journal_stream(STDERR_FILENO), clock);
}

}  // namespace flowrelay::app
