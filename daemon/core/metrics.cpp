#include "flowrelay/core/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace flowrelay::core {

namespace {

std::string_view type_name(MetricsText::Type type) {
    switch (type) {
        case MetricsText::Type::gauge:
            return "gauge";
        case MetricsText::Type::counter:
            return "counter";
        case MetricsText::Type::histogram:
            return "histogram";
        case MetricsText::Type::info:
            return "info";
        case MetricsText::Type::stateset:
            return "stateset";
    }
    return "unknown";
}

std::string_view suffix_of(MetricsText::Type type) {
    if (type == MetricsText::Type::counter) return "_total";
    if (type == MetricsText::Type::info) return "_info";
    return "";
}

void append_escaped(std::string& out, std::string_view value, bool quotes) {
    for (const char c : value) {
        if (c == '\\') {
            out += "\\\\";
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '"' && quotes) {
            out += "\\\"";
        } else {
            out += c;
        }
    }
}

/// Formats a bound like a floating point number, as OpenMetrics requires.
std::string bound_text(double bound) {
    std::string text = fmt::format("{}", bound);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
}

}  // namespace

Histogram::Histogram(std::initializer_list<double> bounds)
    : bounds_(bounds),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {}

// Only one thread writes, so the bus lock of fetch_add is not needed.
void Histogram::observe(double value) noexcept {
    const auto bucket = std::ranges::lower_bound(bounds_, value) - bounds_.begin();
    auto& count = counts_[static_cast<std::size_t>(bucket)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

Histogram::Reading Histogram::read() const {
    Reading reading;
    for (std::size_t i = 0; i < bounds_.size(); ++i) {
        reading.count += counts_[i].load(std::memory_order_relaxed);
        reading.buckets.emplace_back(bounds_[i], reading.count);
    }
    reading.count += counts_[bounds_.size()].load(std::memory_order_relaxed);
    reading.sum = sum_.load(std::memory_order_relaxed);
    return reading;
}

void MetricsText::family(std::string_view name, Type type, std::string_view unit,
                         std::string_view help) {
    name_ = name;
    type_ = type;
    auto out = std::back_inserter(text_);
    if (format_ == Format::openmetrics) {
        fmt::format_to(out, "# TYPE {} {}\n", name, type_name(type));
        if (!unit.empty()) fmt::format_to(out, "# UNIT {} {}\n", name, unit);
        fmt::format_to(out, "# HELP {} ", name);
    } else {
        // In this format the family of a counter has the name of its sample, and there are fewer
        // types.
        const bool other = type == Type::info || type == Type::stateset;
        fmt::format_to(out, "# TYPE {}{} {}\n", name, suffix_of(type),
                       other ? "gauge" : type_name(type));
        fmt::format_to(out, "# HELP {}{} ", name, suffix_of(type));
    }
    append_escaped(text_, help, format_ == Format::openmetrics);
    text_ += '\n';
}

void MetricsText::begin_sample(std::string_view suffix, Labels labels) {
    text_ += name_;
    text_ += suffix;
    if (labels.size() > 0) {
        char before = '{';
        for (const auto& [name, value] : labels) {
            text_ += before;
            text_ += name;
            text_ += "=\"";
            append_escaped(text_, value, true);
            text_ += '"';
            before = ',';
        }
        text_ += '}';
    }
    text_ += ' ';
}

void MetricsText::sample(std::uint64_t value, Labels labels) {
    begin_sample(suffix_of(type_), labels);
    fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void MetricsText::sample(std::int64_t value, Labels labels) {
    begin_sample(suffix_of(type_), labels);
    fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void MetricsText::sample(double value, Labels labels) {
    begin_sample(suffix_of(type_), labels);
    if (std::isnan(value)) {
        text_ += "NaN\n";
    } else if (std::isinf(value)) {
        text_ += value > 0 ? "+Inf\n" : "-Inf\n";
    } else {
        fmt::format_to(std::back_inserter(text_), "{}\n", value);
    }
}

void MetricsText::sample(const Histogram& histogram) {
    const auto reading = histogram.read();
    for (const auto& [bound, count] : reading.buckets) {
        begin_sample("_bucket", {{"le", bound_text(bound)}});
        fmt::format_to(std::back_inserter(text_), "{}\n", count);
    }
    begin_sample("_bucket", {{"le", "+Inf"}});
    fmt::format_to(std::back_inserter(text_), "{}\n", reading.count);
    begin_sample("_sum", {});
    fmt::format_to(std::back_inserter(text_), "{}\n", reading.sum);
    begin_sample("_count", {});
    fmt::format_to(std::back_inserter(text_), "{}\n", reading.count);
}

std::string MetricsText::take() {
    if (format_ == Format::openmetrics) text_ += "# EOF\n";
    return std::move(text_);
}

}  // namespace flowrelay::core
