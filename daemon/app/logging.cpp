#include "flowrelay/app/logging.hpp"

#include <fmt/format.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "flowrelay/app/text.hpp"
#include "journal.hpp"
#include "log_output.hpp"

namespace flowrelay::app {

namespace {

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

/// Appends "warning event=delivery.retry source=ci status=503".
void append_text(std::string& out, const LogEvent& event, std::span<const LogField> fields) {
    out += fmt::format("{} event={}", to_string(event.severity), event.name);
    for (const LogField& field : fields) {
        out += fmt::format(" {}=", field.key);
        append_text_value(out, field);
    }
}

/// Writes to a LogOutput and counts the lines that it loses.
class OutputSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
public:
    explicit OutputSink(int fd) : output_(fd) {}

    std::uint64_t lost() const noexcept { return lost_; }
    void forget_lost() noexcept { lost_ = 0; }

protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t line;
        formatter_->format(message, line);
        if (!output_.write({line.data(), line.size()})) ++lost_;
    }
    void flush_() override {}

private:
    LogOutput output_;
    std::uint64_t lost_ = 0;
};

class SpdlogLog final : public LeveledLog {
public:
    using Log::write;

    SpdlogLog(const LogConfig& config, const std::shared_ptr<OutputSink>& sink, bool for_journal,
              const Clock& clock)
        : SpdlogLog(config, spdlog::sink_ptr(sink), for_journal, clock) {
        output_ = sink.get();
    }

    SpdlogLog(const LogConfig& config, spdlog::sink_ptr sink, bool for_journal, const Clock& clock)
        : LeveledLog(config.level),
          format_(config.format),
          for_journal_(for_journal),
          clock_(clock),
          logger_("flowrelay", std::move(sink)) {
        logger_.set_pattern("%v");
        logger_.set_level(spdlog::level::trace);
        logger_.flush_on(spdlog::level::trace);
        // There is no place left to report that stderr is broken.
        logger_.set_error_handler([](const std::string&) {});
    }

    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override {
        if (!enabled(event.severity)) return;
        try {
            const std::lock_guard lock(mutex_);
            const std::uint64_t lost = output_ != nullptr ? output_->lost() : 0;
            if (lost == 0) {
                put(event, fields);
                return;
            }
            std::vector<LogField> more(fields.begin(), fields.end());
            more.emplace_back("lost", lost);
            put(event, more);
            if (output_->lost() == lost) output_->forget_lost();
        } catch (...) {
            // Out of memory: the line is lost, the relay goes on.
        }
    }

private:
    void put(const LogEvent& event, std::span<const LogField> fields) {
        const std::string line =
            format_log_line(format_, for_journal_, clock_.now().wall, event, fields);
        logger_.log(spdlog::level::info, spdlog::string_view_t(line));
    }

    LogFormat format_;
    bool for_journal_;
    const Clock& clock_;
    std::mutex mutex_;
    OutputSink* output_ = nullptr;  ///< the logger's sink, if that can lose lines
    spdlog::logger logger_;
};

class JournalLog final : public LeveledLog {
public:
    using Log::write;

    JournalLog(Severity level, std::string socket_path, std::unique_ptr<Log> fallback,
               std::string_view program)
        : LeveledLog(level),
          program_(program),
          fallback_(std::move(fallback)),
          socket_(std::move(socket_path)) {}

    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override {
        if (!enabled(event.severity)) return;
        try {
            const std::lock_guard lock(mutex_);
            if (lost_ == 0) {
                send(event, fields);
                return;
            }
            std::vector<LogField> more(fields.begin(), fields.end());
            more.emplace_back("lost", lost_);
            send(event, more);
        } catch (...) {
            // Out of memory: the line is lost, the relay goes on.
        }
    }

private:
    // Does not wait for journald.
    void send(const LogEvent& event, std::span<const LogField> fields) {
        std::string message;
        append_text(message, event, fields);
        const std::string entry = format_journal_entry(message, event, fields, program_);
        switch (socket_.send(entry, Milliseconds(0))) {
            case JournalSocket::Outcome::sent:
                lost_ = 0;
                return;
            case JournalSocket::Outcome::busy:
                ++lost_;
                return;
            case JournalSocket::Outcome::impossible:
                lost_ = 0;
                fallback_->write(event, fields);
        }
    }

    const std::string program_;
    std::mutex mutex_;
    std::unique_ptr<Log> fallback_;
    JournalSocket socket_;
    std::uint64_t lost_ = 0;
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
    append_text(line, event, fields);
    return line;
}

bool is_journal_stream(int fd) {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat status{};
    if (stream == nullptr || ::fstat(fd, &status) != 0) return false;
    return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

std::unique_ptr<LeveledLog> make_log(const LogConfig& config,
                                     std::shared_ptr<spdlog::sinks::sink> sink, bool for_journal,
                                     const Clock& clock) {
    return std::make_unique<SpdlogLog>(config, std::move(sink), for_journal, clock);
}

std::unique_ptr<LeveledLog> make_descriptor_log(const LogConfig& config, int fd, bool for_journal,
                                                const Clock& clock) {
    return std::make_unique<SpdlogLog>(config, std::make_shared<OutputSink>(fd), for_journal,
                                       clock);
}

std::unique_ptr<LeveledLog> make_journal_log(Severity level, std::string socket_path,
                                             std::unique_ptr<Log> fallback,
                                             std::string_view program) {
    return std::make_unique<JournalLog>(level, std::move(socket_path), std::move(fallback),
                                        program);
}

std::unique_ptr<LeveledLog> make_log(const LogConfig& config, const Clock& clock,
                                     std::string_view program) {
    const bool to_journal = is_journal_stream(STDERR_FILENO);
    const bool natively =
        config.format == LogFormat::journal || (config.format == LogFormat::text && to_journal);
    if (!natively) return make_descriptor_log(config, STDERR_FILENO, to_journal, clock);
    LogConfig for_stderr = config;
    for_stderr.format = LogFormat::text;
    for_stderr.level = Severity::debug;  // the journal's log has filtered already
    return make_journal_log(config.level, std::string(journal_socket_path),
                            make_descriptor_log(for_stderr, STDERR_FILENO, to_journal, clock),
                            program);
}

}  // namespace flowrelay::app
