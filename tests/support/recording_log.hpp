// A Log that keeps its lines for inspection by tests.
#pragma once

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "flowrelay/base/log.hpp"

namespace flowrelay::test {

class RecordingLog final : public Log {
public:
    struct Line {
        std::string name;
        std::map<std::string, std::string> fields;
    };

    using Log::write;
    bool enabled(Severity) const noexcept override { return true; }
    void write(const LogEvent& event, std::span<const LogField> fields) noexcept override {
        Line line{std::string(event.name), {}};
        for (const LogField& field : fields) {
            line.fields.emplace(
                field.key, std::visit([](auto v) { return fmt::format("{}", v); }, field.value));
        }
        const std::lock_guard lock(mutex_);
        lines.push_back(std::move(line));
    }

    /// Returns the lines of one event.
    std::vector<Line> named(std::string_view name) const {
        std::vector<Line> found;
        for (const Line& line : lines) {
            if (line.name == name) found.push_back(line);
        }
        return found;
    }

    std::vector<Line> lines;  ///< read it only while nothing writes

private:
    std::mutex mutex_;
};

}  // namespace flowrelay::test
